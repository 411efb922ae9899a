using static TorchSharp.torch;

namespace Moe.Core.Tests;

/// <summary>
/// Where a weight, or a part of it, lies in the published layout and in ours. Both are given as views, so that one statement serves to copy
/// the weight and to compare its gradient.
/// </summary>
/// <param name="Published">The published name.</param>
/// <param name="Ours">Our name.</param>
/// <param name="OfPublished">The part of the published tensor, in the shape of ours; null for all of it.</param>
/// <param name="OfOurs">The part of our tensor; null for all of it.</param>
internal sealed record WeightPart(string Published, string Ours, Func<Tensor, Tensor>? OfPublished = null, Func<Tensor, Tensor>? OfOurs = null)
{
    public Tensor Theirs(Dictionary<string, Tensor> published, string before = "") => Part(published[before + Published], OfPublished);

    public Tensor In(Tensor ours) => Part(ours, OfOurs);

    /// <summary>The weight of expert <paramref name="index"/>, which is a slice of ours.</summary>
    public static WeightPart Slice(string published, string ours, int index) => new(published, ours, null, tensor => tensor[index]);

    /// <summary>One of two halves that lie one after the other.</summary>
    public static WeightPart Half(string published, string ours, int dimension, int half, Func<Tensor, Tensor>? ofOurs = null) =>
        new(published, ours, tensor => tensor.chunk(2, dimension)[half], ofOurs);

    /// <summary>Every other entry of the last dimension.</summary>
    public static WeightPart EveryOther(string published, string ours, int first, Func<Tensor, Tensor>? then = null, Func<Tensor, Tensor>? ofOurs = null) =>
        new(published, ours, tensor => Part(tensor.slice(-1, first, tensor.size(-1), 2), then), ofOurs);

    /// <summary>Copies published weights in, and makes sure that every number of ours came from them.</summary>
    public static void Copy(IReadOnlyCollection<WeightPart> parts, Dictionary<string, Tensor> published, Dictionary<string, Tensor> ours)
    {
        using var noGrad = no_grad();
        foreach (var part in parts)
        {
            var (from, to) = (part.Theirs(published), part.In(ours[part.Ours]));
            from.shape.Should().Equal(to.shape, "{0} becomes {1}", part.Published, part.Ours);
            to.copy_(from);
        }
        ours.ToDictionary(pair => pair.Key, pair => pair.Value.numel()).Should().BeEquivalentTo(
            parts.GroupBy(part => part.Ours).ToDictionary(group => group.Key, group => group.Sum(part => part.In(ours[part.Ours]).numel())),
            "every weight comes from the case");
    }

    private static Tensor Part(Tensor tensor, Func<Tensor, Tensor>? part) => part is null ? tensor : part(tensor);
}
