using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits <see cref="SoftmaxGate"/> by Newton's method: weighted multinomial logistic regression on shares.</summary>
/// <remarks>
/// A column that is constant, or a combination of others, gets coefficient 0. The first expert's coefficients are 0. Starts from the gate of the fit before if that is a
/// softmax gate for as many experts, and never ends worse than it started.
/// </remarks>
public sealed class SoftmaxGateLearner : IGateLearner
{
    /// <summary>A softmax gate.</summary>
    /// <param name="options">How to fit it; null for the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public SoftmaxGateLearner(SoftmaxGateOptions? options = null)
    {
        Options = options ?? new SoftmaxGateOptions();
        Options.Validate(nameof(options));
    }

    /// <summary>How it is fitted.</summary>
    public SoftmaxGateOptions Options { get; }

    /// <inheritdoc/>
    public IGate Fit(Tensor rows, Tensor targets, Tensor? weights, IGate? previous, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(context);
        context.CancellationToken.ThrowIfCancellationRequested();
        var experts = (int)targets.size(1);
        var each = weights is null ? Ones((int)rows.size(0)) : HostMemory.Of<double>(weights).ToArray();
        var terms = new TermMatrix(rows, null, each);
        var newton = previous is SoftmaxGate gate && gate.Experts == experts && gate.InputWidth == rows.size(1) ? GateNewton.Of(terms, gate) : new GateNewton(terms, experts);
        newton.Fit(HostMemory.Of<double>(targets), each, Options.Ridge * each.Sum(), Options.MaxSteps);
        return GateOf(terms, newton);
    }

    internal static SoftmaxGate GateOf(TermMatrix terms, GateNewton newton)
    {
        var raw = new double[newton.Experts * terms.RawWidth];
        for (var expert = 1; expert < newton.Experts; expert++)
            terms.ToRaw(newton.Coefficients.AsSpan((expert - 1) * terms.Width, terms.Width)).CopyTo(raw, expert * terms.RawWidth);
        using var coefficients = tensor(raw, [newton.Experts, terms.RawWidth]);
        return new SoftmaxGate(coefficients, (newton.Experts - 1) * terms.Width);
    }

    private static double[] Ones(int count)
    {
        var ones = new double[count];
        Array.Fill(ones, 1);
        return ones;
    }
}
