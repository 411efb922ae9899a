using Moe.Classical;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.MLNet.Tests;

/// <summary>A small mixture with a given gate: the second expert's weight is the logistic function of 8 x₀.</summary>
internal sealed class Halves(IExpert left, IExpert right) : ClassicalExpert(left.InputWidth, left.OutputWidth), IStoredExpert, IGatedExpert
{
    private const string Kind = "test-halves";

    public int ExpertCount => 2;

    public static void Register() =>
        StoredExperts.Register(Kind, Read);

    public Tensor Gates(Tensor input)
    {
        using var scope = NewDisposeScope();
        var second = sigmoid(input.to(ScalarType.Float64).select(1, 0) * 8.0);
        return scope.MoveToOuter(stack([1 - second, second], 1));
    }

    public ExpertState ToState() =>
        new ExpertState(Kind).Add("left", ((IStoredExpert)left).ToState()).Add("right", ((IStoredExpert)right).ToState());

    protected override Tensor Predict(Tensor rows)
    {
        using var gates = Gates(rows);
        return (gates.narrow(1, 0, 1) * left.forward(rows)) + (gates.narrow(1, 1, 1) * right.forward(rows));
    }

    private static Halves Read(ExpertState state) => new(StoredExperts.Read(state.Child("left")), StoredExperts.Read(state.Child("right")));

    /// <summary>Fits both experts to the rows that the gate gives them.</summary>
    internal sealed class Learner(IExpertLearner inner) : IExpertLearner
    {
        public string Name => "halves";

        public WeightSupport Weights => WeightSupport.Native;

        public bool OverfitsOwnRows => inner.OverfitsOwnRows;

        public bool Takes(ResponseKind kind) => inner.Takes(kind);

        public IExpert Fit(FitData data, FitContext context)
        {
            using var scope = NewDisposeScope();
            var second = sigmoid(data.Inputs.select(1, 0) * 8.0);
            var weights = data.Weights ?? ones_like(second);
            return new Halves(inner.Fit(data.WithWeights(weights * (1 - second)), context), inner.Fit(data.WithWeights(weights * second), context));
        }
    }
}
