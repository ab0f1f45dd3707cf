"""The conformance suite: any partition tool, asked about networks whose partition is known exactly.

`suite` has the `problems`; `runner` runs a tool over them, in a `process` in which `worker` serves (`family`: with what
it starts), with an `exchange` within limits for each problem, over a `wire` that believes nothing; `outcomes` judges,
`card` and `badge` report. `minimize` makes a failing problem simple (`shrinking` says how), `reproducer` writes it
down. `expected` keeps exact results in a file, `plugin` makes tests of problems in pytest, and `own` are this package's
modes as tools. A tutorial: docs/conformance.md.
"""
