using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>One law tried on one expert.</summary>
internal sealed class ExpertTrial(ExpertLaw law, Func<IExpert> make, ScalarType type) : Trial($"{law}")
{
    private const int Rows = 5;

    protected override string Conditions => $"{type}";

    private double Tolerance => type switch { ScalarType.Float64 => 1e-10, ScalarType.Float32 => 1e-5, _ => 1e-2 };

    public override void Run()
    {
        var expert = make() ?? throw new InvalidOperationException("The factory made null.");
        if (expert is IDisposable owned)
            Owned(owned);
        if (expert is nn.Module module)
            module.eval();
        var rows = Normal(1, type, Rows, expert.InputWidth);
        switch (law)
        {
            case ExpertLaw.StatedShape:
                StatedShape(expert, rows);
                break;
            case ExpertLaw.RowsAreAnsweredAlone:
                RowsAreAnsweredAlone(expert, rows);
                break;
            case ExpertLaw.DeterministicEvaluation:
                Require(Answer(expert, rows).SequenceEqual(Answer(expert, rows)), "asked again, it answers differently");
                break;
            case ExpertLaw.InputIsLeftAlone:
                InputIsLeftAlone(expert, rows);
                break;
            case ExpertLaw.FiniteGradients:
                FiniteGradients(expert, rows);
                break;
            case ExpertLaw.NothingLeaks:
                RequireNoLeak(() => Answer(expert, rows), "answering");
                break;
            default:
                WorksInLayer(expert, rows);
                break;
        }
    }

    private void StatedShape(IExpert expert, Tensor rows)
    {
        Require(expert.InputWidth >= 1 && expert.OutputWidth >= 1, $"the widths are {expert.InputWidth} and {expert.OutputWidth}");
        foreach (var count in new[] { 0, 1, Rows })
        {
            var answer = expert.forward(rows.narrow(0, 0, count));
            var shape = string.Join(", ", answer.shape);
            Require(shape == $"{count}, {expert.OutputWidth}", $"[{count}, {expert.InputWidth}] is answered by [{shape}] instead of [{count}, {expert.OutputWidth}]");
            Require(answer.dtype == type && answer.device_type == rows.device_type, $"the answer is {answer.dtype} on {answer.device}");
        }
    }

    private void RowsAreAnsweredAlone(IExpert expert, Tensor rows)
    {
        var together = Answer(expert, rows).Chunk((int)expert.OutputWidth).ToArray();
        var reversed = Answer(expert, rows.flip(0)).Chunk((int)expert.OutputWidth).Reverse().ToArray();
        for (var row = 0; row < Rows; row++)
        {
            Require(Same(together[row], Answer(expert, rows.narrow(0, row, 1))), $"row {row} alone is answered differently than among others");
            Require(Same(together[row], reversed[row]), $"row {row} is answered differently in another order");
        }
    }

    private void InputIsLeftAlone(IExpert expert, Tensor rows)
    {
        var before = HostValues.Of(rows);
        using (NewDisposeScope())
        {
            using var answer = expert.forward(rows);
            Require(!ReferenceEquals(answer, rows), "the answer is the input itself, which a layer would dispose");
        }
        Require(!rows.IsInvalid, "the input is disposed");
        Require(rows.IsInvalid || HostValues.Of(rows).SequenceEqual(before), "the input is changed");
    }

    private void FiniteGradients(IExpert expert, Tensor rows)
    {
        if (expert is not nn.Module module)
            return;
        foreach (var count in new[] { 0, Rows })
        {
            var input = rows.narrow(0, 0, count).detach().clone().requires_grad_();
            module.zero_grad();
            var answer = expert.forward(input);
            if (answer.requires_grad)
                (answer * Normal(2, type, answer.shape)).sum().backward();
            foreach (var (name, leaf) in module.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter)).Append(("the input", input)))
                Require(leaf.grad is not { } gradient || HostValues.Of(gradient).All(value => double.IsFinite(value) && (count > 0 || value == 0)), $"the gradient for {name} with {count} rows is not finite, or not 0 without rows");
        }
    }

    private void WorksInLayer(IExpert expert, Tensor rows)
    {
        var router = new GatingNetwork(new GatingOptions { InputWidth = expert.InputWidth, ExpertCount = 2, TopK = 1 }, Random(3), CPU);
        var expected = Answer(expert, rows);
        var layer = Owned(new MixtureOfExperts(router, [expert, new ZeroExpert(expert.InputWidth, expert.OutputWidth)]));
        layer.eval();
        foreach (var chosen in new[] { 0L, 1 })
        {
            using var forced = full(Rows, 1, chosen, dtype: ScalarType.Int64);
            using var routed = layer.ForwardWithRouting(rows, new RoutingContext { ForcedIndices = forced });
            var answer = HostValues.Of(routed.Output);
            Require(Same(answer, chosen == 0 ? expected : new double[expected.Length]), chosen == 0 ? "in a layer it answers differently" : "a layer that sends it no token does not answer 0");
        }
    }

    /// <summary>The answer in numbers, asked for within a scope of its own, as a layer asks.</summary>
    private static double[] Answer(IExpert expert, Tensor rows)
    {
        using var scope = NewDisposeScope();
        return HostValues.Of(expert.forward(rows));
    }

    private bool Same(double[] left, double[] right) =>
        left.Length == right.Length && left.Zip(right).All(pair => DecisionInNumbers.Same(pair.First, pair.Second, Tolerance));
}
