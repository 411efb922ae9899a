using System.Globalization;
using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>How much a layer's answers to a probe changed when it was operated on, in plain numbers.</summary>
/// <remarks>
/// <para>Measured in evaluation mode, so that noise and jitter have no part in it; the layers are in that mode for as long as that takes, and must not be used on other threads meanwhile. Capacity is part of it: with another number of
/// experts each has another number of places, and a token may be dropped that was not. Output and choices are those of the probe: what no token of it asks for is not seen.</para>
/// <para>Immutable data with value equality.</para>
/// </remarks>
public sealed record PreservationReport
{
    private PreservationReport()
    {
    }

    /// <summary>T, the tokens of the probe.</summary>
    public long Tokens { get; private init; }

    /// <summary>The largest |Δy| of any entry of the output.</summary>
    public double LargestChange { get; private init; }

    /// <summary>The mean |Δy| over all entries.</summary>
    public double MeanChange { get; private init; }

    /// <summary>The largest ‖Δy‖ / ‖y‖ of any token; infinite where an output of zero changed.</summary>
    public double LargestRelativeChange { get; private init; }

    /// <summary>The mean ‖Δy‖ / ‖y‖ over the tokens.</summary>
    public double MeanRelativeChange { get; private init; }

    /// <summary>The tokens that are answered by other experts than before. Who was merged counts as the one that it was merged into, a copy as another than its source.</summary>
    /// <value>Null where there were no experts before.</value>
    public long? ReroutedTokens { get; private init; }

    /// <summary>Whether no bit of the output changed.</summary>
    public bool IsExact => LargestChange == 0;

    /// <summary>Compares two layers.</summary>
    /// <param name="before">The old layer.</param>
    /// <param name="after">The new one, of the same widths, type and device.</param>
    /// <param name="probe">Tokens, [*, D], of the experts' type, on the gates' device. Not kept.</param>
    /// <param name="newIndices">For each expert of the old layer, its index in the new one, or -1 (<see cref="SurgeryResult.NewIndices"/>); null when the two have the same experts.</param>
    /// <returns>The report.</returns>
    /// <exception cref="ArgumentException">Widths or indices do not fit, or the probe has another shape, type or device than stated, or no token.</exception>
    public static PreservationReport Compare(MixtureOfExperts before, MixtureOfExperts after, Tensor probe, IReadOnlyList<int>? newIndices = null)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        ArgumentNullException.ThrowIfNull(probe);
        newIndices ??= [.. Enumerable.Range(0, before.Experts.Count)];
        new OptionFailures("The pair of layers")
            .Require(
                before.InputWidth == after.InputWidth && before.OutputWidth == after.OutputWidth,
                $"The one maps width {before.InputWidth} to {before.OutputWidth}, the other {after.InputWidth} to {after.OutputWidth}.")
            .Require(
                newIndices.Count == before.Experts.Count && newIndices.All(index => index >= -1 && index < after.Experts.Count),
                $"newIndices must have {before.Experts.Count} entries from -1 to {after.Experts.Count - 1}, got [{string.Join(", ", newIndices)}].")
            .ThrowIfAny(nameof(newIndices));
        using var scope = NewDisposeScope();
        return Of(ProbeAnswer.Of(before, probe), ProbeAnswer.Of(after, probe), newIndices);
    }

    /// <summary>A few words for a log.</summary>
    /// <returns>Tokens, the largest and the mean change, absolute and relative, and how many tokens others answer now.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Tokens} tokens: change at most {LargestChange:0.##e+0} (mean {MeanChange:0.##e+0}), relative at most {LargestRelativeChange:0.##e+0} (mean {MeanRelativeChange:0.##e+0})")
        + (ReroutedTokens is { } rerouted ? string.Create(CultureInfo.InvariantCulture, $", rerouted {rerouted}") : "")
        + (IsExact ? ", exact" : "");

    internal static PreservationReport Of(ProbeAnswer before, ProbeAnswer after, IReadOnlyList<int> newIndices)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var old = before.Output.to(ScalarType.Float64);
        var difference = after.Output.to(ScalarType.Float64) - old;
        var change = difference.square().sum(1).sqrt();
        var relative = where(change.eq(0), zeros_like(change), change / old.square().sum(1).sqrt());
        var rerouted = before.Answering is null ? zeros_like(change) : Rerouted(before.Answering, after.Answering!, newIndices).to(ScalarType.Float64);
        var size = difference.abs();
        using var onHost = stack([size.max(), size.mean(), relative.max(), relative.mean(), rerouted.sum()]).cpu();
        var numbers = onHost.data<double>();
        return new PreservationReport
        {
            Tokens = old.size(0),
            LargestChange = numbers[0],
            MeanChange = numbers[1],
            LargestRelativeChange = numbers[2],
            MeanRelativeChange = numbers[3],
            ReroutedTokens = before.Answering is null ? null : (long)numbers[4],
        };
    }

    /// <summary>Which tokens have other experts, [T]. Experts that are gone have a column of their own, in which no new one is.</summary>
    private static Tensor Rerouted(Tensor before, Tensor after, IReadOnlyList<int> newIndices)
    {
        var experts = after.size(1);
        var columns = tensor(newIndices.Select(index => index < 0 ? experts : index).ToArray(), device: after.device).unsqueeze(0).expand_as(before);
        var expected = zeros(before.size(0), experts + 1, dtype: after.dtype, device: after.device).scatter_add(1, columns, before).gt(0);
        var now = cat([after, zeros(after.size(0), 1, dtype: after.dtype, device: after.device)], 1).gt(0);
        return expected.ne(now).any(1);
    }
}
