"""The trusted part: exact arithmetic, the arrangement, and the certificate checker.

It imports gmpy2 and the standard library only, and it holds no floating-point number. Conventions, stated once:

- a polygon's corners run counter-clockwise, and the polygon is closed;
- a half-edge has its face on the left; bounded faces run counter-clockwise; the outer face is number -1;
- a point is a homogeneous integer triple (X, Y, W) with W > 0; a line or an affine form is a triple (a, b, c), and
  its value at a point is a*X + b*Y + c*W, W times the true value, so of the same sign.
"""
