using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>The fourth step of a router: how much each chosen expert's answer counts.</summary>
internal static class Weighting
{
    /// <summary>Instead of 0, by which nothing can be divided and at which a root has no slope.</summary>
    private const double Least = 1e-30;

    /// <summary>The weights of the chosen experts, [T, K].</summary>
    /// <param name="input">Logits and scores.</param>
    /// <param name="choice">The experts.</param>
    /// <param name="options">Where the softmax stands, how weights are normalised, and what gradients pass.</param>
    public static Tensor Weigh(SelectionInput input, Choice choice, GatingOptions options)
    {
        var counted = Counted(choice, options);
        var isAmongChosen = options.Score == ScoreFunction.Softmax && options.Softmax == SoftmaxOrder.AfterSelection;
        if (isAmongChosen && !options.StraightThrough)
            return Scaled(AmongChosen(input.Logits.gather(1, choice.Indices), counted), options);

        var scores = input.Scores.gather(1, choice.Indices);
        if (counted is not null)
            scores *= counted;
        var weights = isAmongChosen ? AmongChosen(input.Logits.gather(1, choice.Indices), counted) : Normalized(scores, options);

        // The difference is exactly 0 forward and the identity on the chosen scores backward.
        if (options.StraightThrough)
            weights = weights.detach() + (scores - scores.detach());
        return Scaled(weights, options);
    }

    private static Tensor Scaled(Tensor weights, GatingOptions options) => options.ScalingFactor == 1 ? weights : weights * options.ScalingFactor;

    /// <summary>
    /// Which experts take part in normalising, [T, K], Bool; null when all do. Null experts do not, and by most rules only those chosen do. The others get 0.
    /// </summary>
    private static Tensor? Counted(Choice choice, GatingOptions options)
    {
        var counted = options.Selection.NormalizesOverChosen ? choice.Chosen : null;
        if (options.NullExperts == 0)
            return counted;
        var real = choice.Indices.lt(options.ExpertCount - options.NullExperts);
        return counted is null ? real : counted.bitwise_and(real);
    }

    /// <summary>The softmax over the logits that count. A finite floor, since a row of nothing but -∞ has no softmax.</summary>
    private static Tensor AmongChosen(Tensor logits, Tensor? counted) => counted is null
        ? logits.softmax(-1)
        : logits.masked_fill(counted.bitwise_not(), -1e30).softmax(-1) * counted;

    private static Tensor Normalized(Tensor scores, GatingOptions options)
    {
        if (!options.Renormalize)
            return scores;
        var norm = options.NormPower == 1 ? scores.sum(dim: -1, keepdim: true) : Norm(scores, options.NormPower);
        return scores / (IsAmple(norm, options.NormEpsilon) ? norm : (norm + options.NormEpsilon).clamp_min(Least));
    }

    /// <summary>Whether all norms are so large that neither the addend nor the floor changes a bit of them; where that would have to be waited for, it is not asked.</summary>
    private static bool IsAmple(Tensor norm, double epsilon)
    {
        if (!HostPath.Allows(norm))
            return false;
        var ample = Math.Max(epsilon * (1L << 54), Least);
        return norm.dtype == ScalarType.Float64
            ? !HostMemory.Of<double>(norm).ContainsAnyExceptInRange(ample, double.MaxValue)
            : !HostMemory.Of<float>(norm).ContainsAnyExceptInRange((float)ample, float.MaxValue);
    }

    private static Tensor Norm(Tensor scores, double power) =>
        scores.pow(power).sum(dim: -1, keepdim: true).clamp_min(Least).pow(1 / power);
}
