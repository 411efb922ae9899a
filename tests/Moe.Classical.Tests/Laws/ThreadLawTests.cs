using System.Collections.Concurrent;
using System.Diagnostics;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

/// <summary>Nothing that a fit or an answer hands to native code may be freed while it is in use there. No other test runs meanwhile.</summary>
[Collection(Name)]
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ThreadLawTests
{
    private const string Name = "garbage is collected";

    [Theory]
    [InlineData(ResponseKind.Real, "gp,matern gp,kernel ridge,polynomial ridge,neighbours,network")]
    [InlineData(ResponseKind.Real, "linear,ridge,tree,forest,averaging,bagging,stacking of numbers,mixture of lines,mixture of a line and a tree")]
    [InlineData(ResponseKind.Count, "poisson,network,mixture of counts")]
    [InlineData(ResponseKind.Trials, "binomial,network,mixture of trials")]
    [InlineData(ResponseKind.Class, "softmax,gaussian bayes,multinomial bayes,bernoulli bayes,near neighbours,tree,forest,svm,linear svm,network,hard voting,stacking of classes,mixture of classifiers")]
    public void Fits_and_answers_on_two_threads_are_those_of_one_while_garbage_is_collected(ResponseKind kind, string names)
    {
        var learners = names.Split(',').Select(name => Lawful.Learners[name]).ToArray();
        var data = Lawful.Data(kind, width: 9);
        var experts = learners.Select(learner => learner.Fit(data, FitContext.Default)).ToArray();
        var said = experts.Select(expert => Lawful.Says(expert, data)).ToArray();
        var failures = new ConcurrentQueue<string>();
        var (clock, working) = (Stopwatch.StartNew(), 2);
        void Collect()
        {
            while (Volatile.Read(ref working) > 0)
            {
                GC.Collect(0);
                GC.Collect();

                // A collection stops all threads: without a pause they would hardly run.
                Thread.Sleep(1);
            }
        }

        void Work(int first)
        {
            for (var turn = first; turn < learners.Length + first || clock.ElapsedMilliseconds < 1000; turn++)
            {
                using var scope = NewDisposeScope();
                var place = turn % learners.Length;
                if (!Lawful.Says(experts[place], data).AsSpan().SequenceEqual(said[place]))
                    failures.Enqueue($"answers of {learners[place].Name}");
                if (!Lawful.Says(learners[place].Fit(data, FitContext.Default), data).AsSpan().SequenceEqual(said[place]))
                    failures.Enqueue($"fits of {learners[place].Name}");
            }
            Interlocked.Decrement(ref working);
        }

        Thread[] threads = [new(() => Work(0)), new(() => Work(learners.Length / 2)), new(Collect)];
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        failures.Distinct().Should().BeEmpty();
    }
}
