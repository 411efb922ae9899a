using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>What a block of ours computed from the input of a case, to be held against what its publisher's code computed.</summary>
internal sealed record GoldenAnswer(
    GoldenCase Golden, Tensor Output, RoutingDecision Routing, Tensor InputGradient, Dictionary<string, Tensor> State, IReadOnlyCollection<WeightPart> Parts)
{
    /// <summary>Asserts that everything the publisher recorded came out, to the tolerance.</summary>
    public void ShouldAgree() => Deviations().Where(deviation => deviation.IsTooLarge).Should().BeEmpty();

    /// <summary>All that is too far off, by name.</summary>
    public IEnumerable<string> Wrong() => Deviations().Where(deviation => deviation.IsTooLarge).Select(deviation => deviation.What);

    /// <summary>Output, gradients and routing, as far as the case has them.</summary>
    public IReadOnlyList<Deviation> Deviations() =>
    [
        Deviation.Of("output", Output, Golden.Numbers["output"]),
        Deviation.Of("grad_input", InputGradient, Golden.Numbers["grad_input"]),
        .. Gradients(),
        .. new RoutingComparison(Routing, Golden.Numbers).Deviations(),
    ];

    /// <summary>The gradient of each published weight, part by part.</summary>
    private IEnumerable<Deviation> Gradients()
    {
        var gradients = State.ToDictionary(pair => pair.Key, pair => pair.Value.grad ?? zeros_like(pair.Value));
        foreach (var name in Golden.Numbers.Keys.Where(name => name.StartsWith("grad.", StringComparison.Ordinal)))
        {
            var theirs = Golden.Numbers[name];
            var parts = Parts.Where(part => "grad." + part.Published == name).ToArray();
            foreach (var part in parts)
                yield return Deviation.Of(name, part.In(gradients[part.Ours]), part.Theirs(Golden.Numbers, "grad."), theirs);

            // A weight that ours has no use for must have been of no use there either.
            if (parts.Length == 0)
                yield return Deviation.Of(name, zeros_like(theirs), theirs);
        }
    }
}
