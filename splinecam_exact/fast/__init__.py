"""The fast engine: float64 arrangements in torch, on any device. It proposes; nothing here is certified.

It shares no geometry code with `kernel/`. All cells of a layer are cut at once, without a loop over cells, without
tolerances and without comparing coordinates: signs of the breaklines at the cells' corners say which cells are cut,
ends of chords that interleave say which chords cross, and two sorts (along the edges and along the chords) say in which
order. Everything else is combinatorics.
"""
