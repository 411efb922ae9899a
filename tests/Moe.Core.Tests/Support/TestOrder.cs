// Dispose-scope statistics are per thread and the default device is global: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
