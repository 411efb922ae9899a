using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Tensors of a state as arrays.</summary>
internal static class StateNumbers
{
    /// <summary>All numbers of a tensor of type Float64, in order.</summary>
    /// <param name="state">Where it is.</param>
    /// <param name="name">Its name.</param>
    /// <param name="count">How many there must be; -1 for at least 1.</param>
    /// <exception cref="ArgumentException">There is no such tensor, or it has another type or size.</exception>
    public static double[] Of(ExpertState state, string name, int count = -1)
    {
        using var kept = state.GetTensor(name);
        return kept.dtype == ScalarType.Float64 && kept.numel() > 0 && (count == -1 || kept.numel() == count)
            ? kept.data<double>().ToArray()
            : throw new ArgumentException($"The state of kind \"{state.Kind}\" has a tensor {name} of {kept.numel()} numbers of type {kept.dtype}; expected {(count == -1 ? "some" : count)} of type Float64.", nameof(state));
    }

    /// <summary>The classes present in a state of an expert of classes.</summary>
    /// <exception cref="ArgumentException">They are not ascending numbers below the number of classes.</exception>
    public static int[] Present(ExpertState state)
    {
        var (present, classes) = (state.Get<int[]>("present"), state.Get<int>("classes"));
        var last = -1;
        foreach (var k in present)
        {
            if (k <= last || k >= classes)
                throw new ArgumentException($"The state of kind \"{state.Kind}\" has classes {string.Join(", ", present)} of {classes}; expected ascending numbers from 0 to {classes - 1}.", nameof(state));
            last = k;
        }
        return present.Length > 0 ? present : throw new ArgumentException($"The state of kind \"{state.Kind}\" has no classes.", nameof(state));
    }
}
