namespace Moe.Testing;

/// <summary>One entry of one leaf whose gradient is not what differences say.</summary>
/// <param name="Entry">The leaf's name and the entry's place, such as weight[2, 0].</param>
/// <param name="Autograd">What autograd says.</param>
/// <param name="Difference">What (L(x + ε) - L(x - ε)) / 2ε says; NaN where a choice flips in between.</param>
public sealed record GradientMismatch(string Entry, double Autograd, double Difference)
{
    /// <inheritdoc/>
    public override string ToString() => double.IsNaN(Difference)
        ? $"{Entry}: autograd says {Autograd:R}; a choice flips within ε, so that there is no difference to compare with"
        : $"{Entry}: autograd says {Autograd:R}, differences say {Difference:R}";
}
