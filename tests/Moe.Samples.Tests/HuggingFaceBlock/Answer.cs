using Moe.Core.Tests;
using static TorchSharp.torch;

namespace Moe.Samples.Tests.HuggingFaceBlock;

/// <summary>What a run wrote, held against what it should have written.</summary>
internal static class Answer
{
    public static readonly string[] Forward = ["output", "router_logits", "selected_experts", "routing_weights"];

    /// <summary>Exactly the tensors of the contract, and all numbers as near as Float32 allows.</summary>
    /// <param name="ours">What was written.</param>
    /// <param name="theirs">Under the same names; what else it has does not count, but <c>dropped</c> says which tokens' choices may be written down in any way.</param>
    /// <param name="trainable">The weights that want a gradient, if any does.</param>
    public static void ShouldBe(this Dictionary<string, Tensor> ours, Dictionary<string, Tensor> theirs, IEnumerable<string>? trainable = null)
    {
        string[] gradients = trainable is null ? [] : ["grad_input", .. trainable.Select(name => $"grad.{name}")];
        ours.Keys.Should().BeEquivalentTo([.. Forward, .. gradients]);
        new[] { "output", "router_logits" }.Concat(gradients).Select(name => Deviation.Of(name, ours[name], theirs[name])).Concat(Choices(ours, theirs))
            .Where(deviation => deviation.IsTooLarge).Should().BeEmpty();
    }

    /// <summary>The same names and the same bits.</summary>
    public static void ShouldBeTheBitsOf(this Dictionary<string, Tensor> ours, Dictionary<string, Tensor> theirs)
    {
        ours.Keys.Should().BeEquivalentTo(theirs.Keys);
        foreach (var (name, tensor) in ours)
            Compare.SameBits(tensor, theirs[name], name);
    }

    /// <summary>Choices by expert, not by rank.</summary>
    private static IEnumerable<Deviation> Choices(Dictionary<string, Tensor> ours, Dictionary<string, Tensor> theirs)
    {
        var experts = (int)theirs["router_logits"].shape[^1];
        var compared = theirs.TryGetValue("dropped", out var dropped) ? 1 - dropped.reshape(-1, 1) : ones(1);
        yield return Deviation.Of("selected_experts", Table(ours, selected => ones_like(selected)), Table(theirs, selected => ones_like(selected)));
        yield return Deviation.Of("routing_weights", Table(ours, _ => ours["routing_weights"]), Table(theirs, _ => theirs["routing_weights"]));

        Tensor Table(Dictionary<string, Tensor> from, Func<Tensor, Tensor> values)
        {
            var selected = from["selected_experts"];
            selected.shape.Should().Equal(theirs["selected_experts"].shape);
            from["routing_weights"].shape.Should().Equal(selected.shape);
            return RoutingComparison.Table(selected.reshape(-1, selected.shape[^1]), values(selected).reshape(-1, selected.shape[^1]), experts) * compared;
        }
    }
}
