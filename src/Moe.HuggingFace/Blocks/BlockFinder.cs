using System.Globalization;
using System.Text.RegularExpressions;

namespace Moe.HuggingFace;

/// <summary>Finds the blocks among the tensors of a model, by the names of their routers.</summary>
internal static class BlockFinder
{
    private const string Layer = "{layer}";

    /// <summary>The blocks, in the order of the places that the family names and of their layers.</summary>
    public static IReadOnlyList<BlockInfo> Find(ModelFamily family, BlockPlan plan, ITensorStore store)
    {
        var blocks = new List<BlockInfo>();
        foreach (var beginning in family.Blocks)
        {
            var routers = RouterNames(family).Where(name => name.StartsWith(beginning, StringComparison.Ordinal)).Distinct()
                .Select(name => new Regex($"^{Regex.Escape(name).Replace(Regex.Escape(Layer), "([0-9]+)", StringComparison.Ordinal)}$", RegexOptions.CultureInvariant)).ToArray();
            var layers = store.Entries.Keys.SelectMany(name => routers.Select(router => router.Match(name))).Where(match => match.Success)
                .Select(match => int.TryParse(match.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var layer) ? layer : -1).Where(layer => layer >= 0).Distinct().Order();
            foreach (var layer in layers)
            {
                var own = beginning.Replace(Layer, layer.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
                blocks.Add(new BlockInfo(layer, own, LayoutOf(family, plan, store, own)));
            }
        }
        return blocks;
    }

    /// <summary>What a family's routers are called, with <c>{layer}</c> for the layer's number.</summary>
    public static IEnumerable<string> RouterNames(ModelFamily family) =>
        from beginning in family.Blocks
        from layout in family.Layouts
        from place in family.Places(layout)!
        where place.Role == WeightRole.RouterWeight
        select beginning + place.Name;

    /// <summary>The layout of which most tensors are there; that which is published, if that says nothing.</summary>
    private static BlockLayout LayoutOf(ModelFamily family, BlockPlan plan, ITensorStore store, string beginning) => family.Layouts
        .OrderByDescending(layout => plan.Tensors(beginning, layout).Count(tensor => store.Entries.ContainsKey(tensor.IsMxfp4 ? tensor.BlocksName : tensor.Name)))
        .ThenByDescending(layout => layout == family.PublishedLayout).First();
}
