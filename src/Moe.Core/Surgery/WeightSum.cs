namespace Moe.Core;

/// <summary>Σw, what the weights of a token's K experts sum to.</summary>
internal static class WeightSum
{
    /// <summary>Exact where weights are normalised; elsewhere what it is while all logits are 0, as published. Null where that is not known.</summary>
    public static double? Of(GatingOptions gate)
    {
        if (gate.Selection is SparseMixerSelection || gate.WeightTarget == WeightTarget.Input)
            return null;
        if (gate.Score == ScoreFunction.Softmax && gate.Softmax == SoftmaxOrder.AfterSelection)
            return gate.ScalingFactor;
        // Equal weights with a p-norm of 1 are K^(-1/p) each.
        if (gate.Renormalize)
            return gate.ScalingFactor * Math.Pow(gate.TopK, 1 - (1 / gate.NormPower));
        double? score =
            gate.Score == ScoreFunction.Softmax ? 1.0 / gate.ExpertCount
            : gate.Score == ScoreFunction.Sigmoid ? 0.5
            : gate.Score == ScoreFunction.SqrtSoftplus ? Math.Sqrt(Math.Log(2))
            : null;
        return gate.TopK * score * gate.ScalingFactor;
    }
}
