using Moe.Core;
using TorchSharp;
using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Writes trees into a state, all in a few tensors one behind the other, and reads them back.</summary>
internal static class TreeStates
{
    public static void Write(ExpertState state, IReadOnlyList<TreeNodes> trees)
    {
        using var scope = NewDisposeScope();
        state
            .Add("nodes", tensor(trees.Select(tree => tree.Nodes).ToArray()))
            .Add("leaves", tensor(trees.Select(tree => tree.Leaves).ToArray()))
            .Add("column", tensor(trees.SelectMany(tree => tree.Column).ToArray()))
            .Add("threshold", tensor(trees.SelectMany(tree => tree.Threshold).ToArray()))
            .Add("child", tensor(trees.SelectMany(tree => tree.Child).ToArray()))
            .Add("value", tensor(trees.SelectMany(tree => tree.Values).ToArray()))
            .Add("weight", tensor(trees.SelectMany(tree => tree.Weights).ToArray()));
    }

    public static TreeNodes[] Read(ExpertState state, long inputWidth, int outputWidth)
    {
        var nodes = Array<int>(state, "nodes");
        var leaves = Array<int>(state, "leaves");
        var column = Array<int>(state, "column");
        var threshold = Array<double>(state, "threshold");
        var child = Array<int>(state, "child");
        var value = Array<double>(state, "value");
        var weight = Array<double>(state, "weight");
        if (outputWidth < 1 || nodes.Length == 0 || nodes.Length != leaves.Length || nodes.Any(count => count < 1) || leaves.Any(count => count < 1)
            || nodes.Sum(count => (long)count) is var all && (all != column.Length || all != threshold.Length || all != child.Length)
            || leaves.Sum(count => (long)count) is var ends && (ends != weight.Length || ends * outputWidth != value.Length))
        {
            throw new ArgumentException($"The state of kind \"{state.Kind}\" is damaged: the lengths of its tensors do not fit together.", nameof(state));
        }

        var trees = new TreeNodes[nodes.Length];
        var (node, leaf) = (0, 0);
        for (var tree = 0; tree < trees.Length; tree++)
        {
            var (nextNode, nextLeaf) = (node + nodes[tree], leaf + leaves[tree]);
            trees[tree] = new TreeNodes(
                outputWidth, column[node..nextNode], threshold[node..nextNode], child[node..nextNode], value[(leaf * outputWidth)..(nextLeaf * outputWidth)], weight[leaf..nextLeaf]);
            trees[tree].Check(inputWidth);
            (node, leaf) = (nextNode, nextLeaf);
        }
        return trees;
    }

    /// <summary>The numbers of a state's tensor.</summary>
    public static T[] Array<T>(ExpertState state, string name)
        where T : unmanaged
    {
        using var tensor = state.GetTensor(name);
        var type = typeof(T) == typeof(int) ? ScalarType.Int32 : ScalarType.Float64;
        if (tensor.dtype != type || tensor.device_type != DeviceType.CPU || !tensor.is_contiguous())
            throw new ArgumentException($"The state of kind \"{state.Kind}\" has a tensor {name} of type {tensor.dtype}; expected {type}, contiguous on the CPU.", nameof(state));
        return HostMemory.Of<T>(tensor).ToArray();
    }
}
