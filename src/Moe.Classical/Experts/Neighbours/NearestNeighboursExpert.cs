using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>The known rows, asked for the nearest ones.</summary>
/// <remarks>Time for a row is the number of known rows × D; memory is bounded by blocks. Equal distances go to the row that came first.</remarks>
public sealed class NearestNeighboursExpert : ClassicalExpert, IOutOfSample, IStoredExpert
{
    internal const string StateKind = "nearest-neighbours";

    private readonly int _classes;
    private readonly WeightedScaling _scaling;
    private readonly Tensor _inputs;
    private readonly Tensor _responses;
    private readonly Tensor _weights;
    private readonly double _mean;

    internal NearestNeighboursExpert(NearestNeighboursOptions options, int classes, WeightedScaling scaling, Tensor inputs, Tensor responses, Tensor weights)
        : base(scaling.Mean.Length, classes == 0 ? 1 : classes)
    {
        Options = options;
        _classes = classes;
        _scaling = scaling;
        _inputs = inputs.DetachFromDisposeScope();
        _responses = responses.DetachFromDisposeScope();
        _weights = weights.DetachFromDisposeScope();
        _mean = classes == 0 ? WeightedScaling.Of(responses, weights).Mean[0] : 0;
    }

    /// <summary>The settings it answers by.</summary>
    public NearestNeighboursOptions Options { get; }

    /// <inheritdoc/>
    /// <remarks>The nearest other rows answer; without any, the mean of all, or all classes alike. Scaling is held.</remarks>
    public Tensor OutOfSample()
    {
        using var scope = NewDisposeScope();
        using var constant = no_grad();
        return scope.MoveToOuter(Answer(_inputs, true));
    }

    /// <inheritdoc/>
    public ExpertState ToState() => new ExpertState(StateKind)
        .Set("neighbours", Options.Neighbours).Set("weighting", Options.Weighting).Set("standardise", Options.Standardise).Set("smoothing", Options.Smoothing)
        .Set("classes", _classes).Set("mean", _scaling.Mean).Set("deviation", _scaling.Deviation)
        .Add("inputs", _inputs).Add("responses", _responses).Add("weights", _weights);

    internal static NearestNeighboursExpert FromState(ExpertState state)
    {
        var options = new NearestNeighboursOptions
        {
            Neighbours = state.Get<int>("neighbours"),
            Weighting = state.Get<NeighbourWeighting>("weighting"),
            Standardise = state.Get<bool>("standardise"),
            Smoothing = state.Get<double>("smoothing"),
        };
        options.Validate(nameof(state));
        var scaling = new WeightedScaling(state.Get<double[]>("mean"), state.Get<double[]>("deviation"));
        var inputs = state.GetTensor("inputs", -1, scaling.Mean.Length);
        return new NearestNeighboursExpert(options, state.Get<int>("classes"), scaling, inputs, state.GetTensor("responses", inputs.size(0)), state.GetTensor("weights", inputs.size(0)));
    }

    /// <inheritdoc/>
    protected override Tensor Predict(Tensor rows) => Answer(_scaling.Apply(rows), false);

    private Tensor Answer(Tensor rows, bool own)
    {
        var answers = zeros(rows.size(0), OutputWidth, dtype: ScalarType.Float64, device: CPU);
        var known = (int)_inputs.size(0);
        var width = (int)InputWidth;
        var outputs = (int)OutputWidth;
        var step = SquaredDistances.BlockRows(known);
        var nearest = new int[Math.Min(Options.Neighbours, known)];
        var lengths = new double[nearest.Length];
        for (var start = 0L; start < rows.size(0); start += step)
        {
            using var scope = NewDisposeScope();
            var block = rows.narrow(0, start, Math.Min(step, rows.size(0) - start)).contiguous();
            var squares = HostMemory.Of<double>(SquaredDistances.Of(block, _inputs));
            var values = HostMemory.Of<double>(block);
            for (var row = 0; row * width < values.Length; row++)
            {
                var count = Find(squares.Slice(row * known, known), own ? (int)start + row : -1, nearest, lengths);

                // Products lose small distances; those that vote are few enough to take again.
                var point = values.Slice(row * width, width);
                for (var place = 0; place < count; place++)
                    lengths[place] = Distance(point, HostMemory.Of<double>(_inputs).Slice(nearest[place] * width, width));
                Vote(nearest.AsSpan(0, count), lengths, HostMemory.Of<double>(answers).Slice(((int)start + row) * outputs, outputs));
            }
        }
        return answers;
    }

    private static double Distance(ReadOnlySpan<double> first, ReadOnlySpan<double> second)
    {
        var sum = 0.0;
        for (var place = 0; place < first.Length; place++)
            sum += (first[place] - second[place]) * (first[place] - second[place]);
        return Math.Sqrt(sum);
    }

    private int Find(ReadOnlySpan<double> squares, int self, int[] nearest, double[] lengths)
    {
        var weights = HostMemory.Of<double>(_weights);
        var count = 0;
        for (var row = 0; row < squares.Length; row++)
        {
            var square = squares[row];
            if ((count == nearest.Length && square >= lengths[count - 1]) || weights[row] == 0 || row == self)
                continue;
            var place = count < nearest.Length ? count++ : count - 1;
            for (; place > 0 && lengths[place - 1] > square; place--)
            {
                lengths[place] = lengths[place - 1];
                nearest[place] = nearest[place - 1];
            }
            lengths[place] = square;
            nearest[place] = row;
        }
        return count;
    }

    private void Vote(ReadOnlySpan<int> nearest, ReadOnlySpan<double> lengths, Span<double> answer)
    {
        var weights = HostMemory.Of<double>(_weights);
        var responses = HostMemory.Of<double>(_responses);
        var byDistance = Options.Weighting == NeighbourWeighting.Distance;
        var least = double.PositiveInfinity;
        for (var place = 0; place < nearest.Length; place++)
            least = Math.Min(least, lengths[place]);
        var total = 0.0;
        for (var place = 0; place < nearest.Length; place++)
        {
            // Over the least distance, so that no vote is infinite.
            var nearness = !byDistance ? 1 : least > 0 ? least / lengths[place] : lengths[place] > 0 ? 0 : 1;
            var vote = weights[nearest[place]] * nearness;
            total += vote;
            if (_classes == 0)
                answer[0] += vote * responses[nearest[place]];
            else
                answer[(int)responses[nearest[place]]] += vote;
        }
        if (_classes == 0)
        {
            answer[0] = total > 0 ? answer[0] / total : _mean;
            return;
        }
        var count = total > 0 ? nearest.Length : 0;
        var smoothing = count == 0 && Options.Smoothing == 0 ? 1 : Options.Smoothing;
        for (var which = 0; which < _classes; which++)
            answer[which] = ((count == 0 ? 0 : count * answer[which] / total) + (smoothing / _classes)) / (count + smoothing);
    }
}
