"""A pipeline in simulated time, for judging how it is scaled: `python -m speechoperator replay`, and the benchmarks.

The scaler is the one of the operator, `speechoperator.plan.scaling`. No clock, no randomness and no cluster.
"""
