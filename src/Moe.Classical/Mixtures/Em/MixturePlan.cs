using System.Diagnostics;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>How the starts of one fit are made, and how the best becomes a fitted mixture: in arrays where all steps are exact, by the learners otherwise.</summary>
internal abstract class MixturePlan(MixtureLearner learner, EmOptions options, FitData data, double[] weights)
{
    public MixtureLearner Learner { get; } = learner;

    public EmOptions Options { get; } = options;

    public FitData Data { get; } = data;

    /// <summary>s, [n].</summary>
    public double[] Weights { get; } = weights;

    /// <summary>How many starts unless the options say.</summary>
    public abstract int Starts { get; }

    /// <summary>How many cuts are tried for each start from regions unless the options say.</summary>
    public abstract int Candidates { get; }

    /// <summary>The kinds of mixed starts, in turn.</summary>
    public abstract IReadOnlyList<StartKind> Turns { get; }

    /// <summary>The plan for a fit.</summary>
    public static MixturePlan For(MixtureLearner learner, EmOptions options, FitData data) =>
        ExactPlan.Of(learner, options, data) ?? (MixturePlan)new GeneralPlan(learner, options, data);

    /// <summary>How many fits of one start may run at a time, so that all starts together keep to the options.</summary>
    public int FitsAtOnce { get; set; } = 1;

    /// <summary>A model before its first M-step.</summary>
    public abstract EmModel NewModel(int start);

    /// <summary>The mixture of the start that is kept.</summary>
    public abstract FittedMixture Finish(EmRun run, StartSearch search, Stopwatch clock, CancellationToken cancellation);

    /// <summary>The columns that the gate sees.</summary>
    protected Tensor GateInputs() => Learner.GateColumns is null ? Data.Inputs : Columns.Of(Data.Inputs, Learner.GateColumns);

    /// <summary>Gate columns and response, standardised, for starts that group rows; [n, width].</summary>
    public double[] Points(out int width, out int responseWidth)
    {
        using var scope = NewDisposeScope();
        var gate = SoftmaxGateLearner.TermsOf(GateInputs(), Weights);
        var rows = Weights.Length;
        var y = HostMemory.Of<double>(Data.Response.Values);
        var trials = Data.Response.Trials is { } all ? HostMemory.Of<double>(all) : default;
        var classes = Data.Response.Classes;
        responseWidth = Math.Max(classes, 1);
        width = gate.Width - 1 + responseWidth;
        var response = new double[rows];
        for (var row = 0; row < rows; row++)
            response[row] = Data.Response.Kind switch { ResponseKind.Count => Math.Log(y[row] + 0.5), ResponseKind.Trials => y[row] / trials[row], _ => y[row] };
        var (mean, deviation) = Moments(response);
        var points = new double[rows * width];
        for (var row = 0; row < rows; row++)
        {
            var point = points.AsSpan(row * width, width);
            gate.Values.AsSpan((row * gate.Width) + 1, gate.Width - 1).CopyTo(point);
            if (classes > 0)
                point[gate.Width - 1 + (int)y[row]] = 1;
            else
                point[gate.Width - 1] = deviation > 0 ? (response[row] - mean) / deviation : 0;
        }
        return points;
    }

    /// <summary>What the report says of shares whatever the model.</summary>
    protected FitReport ReportOf(EmRun run, StartSearch search, IReadOnlyList<string> names, double[] shares, double logLikelihood, double? freedom)
    {
        var experts = names.Count;
        var (priors, sizes, possible) = (new double[experts], new int[experts], new int[experts]);
        var (entropy, classified, total) = (0.0, 0.0, 0.0);
        for (var row = 0; row < Weights.Length; row++)
        {
            var own = shares.AsSpan(row * experts, experts);
            var best = 0;
            for (var expert = 0; expert < experts; expert++)
            {
                priors[expert] += Weights[row] * own[expert];
                if (own[expert] > 1e-4)
                    possible[expert]++;
                if (own[expert] > 0)
                    entropy -= Weights[row] * own[expert] * Math.Log(own[expert]);
                best = own[expert] > own[best] ? expert : best;
            }
            sizes[best]++;
            classified += Weights[row] * Math.Log(own[best]);
            total += Weights[row];
        }
        return new FitReport
        {
            Status = run.Status,
            Reason = run.Reason,
            Converged = run.Status is EmStatus.Converged or EmStatus.Degenerate,
            Rows = Weights.Length,
            TotalWeight = total,
            OutOfFold = false,
            LogLikelihood = logLikelihood,
            Trace = run.Trace,
            Starts = search.Reports,
            Dropped = [.. run.Dropped.Select(member => Learner.Members[member].Name)],
            FloorHits = run.Model.FloorHits,
            LargestDecrease = search.LargestFall,
            UnlikelyRows = run.Model.UnlikelyRows,
            Separation = false,
            Names = names,
            Priors = [.. priors.Select(prior => prior / total)],
            Sizes = sizes,
            Possible = possible,
            Entropy = entropy,
            DegreesOfFreedom = freedom,
            ClassificationLogLikelihood = logLikelihood + classified,
            Seconds = 0,
        };
    }

    private (double Mean, double Deviation) Moments(double[] values)
    {
        var (total, mean, squares) = (Weights.Sum(), 0.0, 0.0);
        for (var row = 0; row < values.Length; row++)
            mean += Weights[row] * values[row] / total;
        for (var row = 0; row < values.Length; row++)
            squares += Weights[row] * (values[row] - mean) * (values[row] - mean) / total;
        return (mean, Math.Sqrt(squares));
    }
}
