using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits <see cref="SoftmaxGate"/> by Newton's method, or by L-BFGS where there are many coefficients: weighted multinomial logistic regression on shares.</summary>
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
        var (experts, width) = ((int)targets.size(1), (int)rows.size(1));
        var each = weights is null ? Ones((int)rows.size(0)) : HostMemory.Of<double>(weights).ToArray();
        var regression = new SoftmaxRegression(TermsOf(rows, each), experts);
        if (previous is SoftmaxGate gate && gate.Experts == experts && gate.InputWidth == width)
            StartFrom(regression, gate);
        regression.Fit(HostMemory.Of<double>(targets), each, Options.Ridge * regression.Terms.Total, Options.MaxSteps, context.CancellationToken);
        return GateOf(regression);
    }

    /// <summary>The terms of gates that see rows [n, D].</summary>
    internal static StandardTerms TermsOf(Tensor rows, ReadOnlySpan<double> weights) => new(HostMemory.Of<double>(rows), (int)rows.size(1), null, weights, combinations: false);

    internal static void StartFrom(SoftmaxRegression regression, SoftmaxGate gate)
    {
        using var coefficients = gate.Coefficients();
        regression.StartFrom(HostMemory.Of<double>(coefficients));
    }

    internal static SoftmaxGate GateOf(SoftmaxRegression regression)
    {
        using var coefficients = tensor(regression.ToRaw(), [regression.Classes, regression.Terms.RawWidth]);
        return new SoftmaxGate(coefficients, regression.Coefficients.Length);
    }

    private static double[] Ones(int count)
    {
        var ones = new double[count];
        Array.Fill(ones, 1);
        return ones;
    }
}
