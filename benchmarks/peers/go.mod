module speechpipeline.dev/benchmarks/peers

go 1.24
