using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>Checks in Float64 that what autograd says about a function is its slope: dL/dx = (L(x + ε) - L(x - ε)) / 2ε for every entry x of every leaf.</summary>
/// <remarks>
/// A function that chooses (which experts, who is dropped) has a slope only where no choice flips within ε. Say what is chosen (<c>choices</c>), and a flip is reported as
/// one instead of as a wrong gradient. Gradients that are meant not to be the slope, such as a straight-through estimator's, must be compared with their formula instead.
/// </remarks>
public static class GradCheck
{
    /// <summary>Compares, and throws if an entry is off.</summary>
    /// <inheritdoc cref="Check"/>
    /// <exception cref="GradCheckException">Entries are off; the message lists them with both numbers.</exception>
    public static void Verify(
        Func<Tensor> loss, IEnumerable<(string Name, Tensor Leaf)> leaves, Func<Tensor>? choices = null, GradCheckOptions? options = null)
    {
        var mismatches = Check(loss, leaves, choices, options);
        if (mismatches.Count > 0)
            throw new GradCheckException(mismatches);
    }

    /// <summary>Compares autograd and differences.</summary>
    /// <param name="loss">Computes L, a scalar of Float64, from the leaves as they are; always the same number for the same leaves. Its tensors are disposed.</param>
    /// <param name="leaves">What L is differentiated for: leaves of Float64 that require gradients, such as <c>module.named_parameters()</c>. They are moved and put back to the bit; their <c>grad</c> is left alone.</param>
    /// <param name="choices">What is chosen for the leaves as they are, in a tensor of any type, compared entry by entry; null for functions that do not choose.</param>
    /// <param name="options">ε and tolerance; the defaults when null.</param>
    /// <returns>The entries that are off; empty if none is.</returns>
    /// <exception cref="ArgumentException">A leaf, the loss or an option is not as stated.</exception>
    public static IReadOnlyList<GradientMismatch> Check(
        Func<Tensor> loss, IEnumerable<(string Name, Tensor Leaf)> leaves, Func<Tensor>? choices = null, GradCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(loss);
        ArgumentNullException.ThrowIfNull(leaves);
        options ??= new GradCheckOptions();
        options.Validate(nameof(options));
        var checkedLeaves = leaves.ToArray();
        foreach (var (name, leaf) in checkedLeaves)
            RequireLeaf(name, leaf);

        using var scope = NewDisposeScope();
        var gradients = Gradients(loss, [.. checkedLeaves.Select(leaf => leaf.Leaf)]);
        var chosen = Choices(choices);
        var mismatches = new List<GradientMismatch>();
        foreach (var ((name, leaf), gradient) in checkedLeaves.Zip(gradients))
        {
            for (var entry = 0; entry < gradient.Length; entry++)
            {
                var (above, flipsAbove) = Moved(leaf, entry, options.Epsilon);
                var (below, flipsBelow) = Moved(leaf, entry, -options.Epsilon);
                var slope = flipsAbove || flipsBelow ? double.NaN : (above - below) / (2 * options.Epsilon);
                var distance = Math.Abs(gradient[entry] - slope);
                if (!(distance <= options.Tolerance * Math.Max(1, Math.Max(Math.Abs(slope), Math.Abs(gradient[entry])))))
                    mismatches.Add(new GradientMismatch($"{name}[{Place(leaf, entry)}]", gradient[entry], slope));
            }
        }
        return mismatches;

        (double Loss, bool Flips) Moved(Tensor leaf, int entry, double by)
        {
            using var moved = NewDisposeScope();
            var before = leaf.detach().clone();
            var step = zeros(leaf.numel(), dtype: ScalarType.Float64, device: leaf.device);
            step.narrow(0, entry, 1).fill_(by);
            Set(leaf, before + step.reshape(leaf.shape));
            try
            {
                return (loss().item<double>(), !Choices(choices).SequenceEqual(chosen));
            }
            finally
            {
                Set(leaf, before);
            }
        }
    }

    /// <summary>What autograd says, leaf by leaf; 0 for leaves that L does not depend on.</summary>
    private static double[][] Gradients(Func<Tensor> loss, Tensor[] leaves)
    {
        var value = loss();
        if (value.dtype != ScalarType.Float64 || value.numel() != 1)
            throw new ArgumentException($"Expected a loss that is one number of Float64, got [{string.Join(", ", value.shape)}] of {value.dtype}.", nameof(loss));
        if (!value.requires_grad)
            return [.. leaves.Select(leaf => new double[leaf.numel()])];
        if (value.item<double>() is var number && loss().item<double>() != number)
            throw new ArgumentException("Expected a loss that is always the same for the same leaves, but a second call gave another one: fix what is drawn.", nameof(loss));
        var gradients = autograd.grad([value], leaves, allow_unused: true);
        return [.. leaves.Zip(gradients, (leaf, gradient) => gradient is { IsInvalid: false } ? HostValues.Of(gradient) : new double[leaf.numel()])];
    }

    private static void Set(Tensor leaf, Tensor value)
    {
        using var noGrad = no_grad();
        leaf.copy_(value);
    }

    private static double[] Choices(Func<Tensor>? choices)
    {
        using var scope = NewDisposeScope();
        return choices is null ? [] : HostValues.Of(choices());
    }

    private static void RequireLeaf(string name, Tensor leaf)
    {
        ArgumentNullException.ThrowIfNull(leaf);
        if (leaf.dtype != ScalarType.Float64 || !leaf.requires_grad || !leaf.is_leaf)
        {
            throw new ArgumentException(
                $"Expected {name} to be a leaf of Float64 that requires gradients, got {leaf.dtype}, {(leaf.requires_grad ? "" : "not ")}requiring them, {(leaf.is_leaf ? "" : "not ")}a leaf.");
        }
    }

    /// <summary>Row-major number to indices.</summary>
    private static string Place(Tensor leaf, long entry)
    {
        var indices = new List<long>();
        foreach (var size in leaf.shape.Reverse())
        {
            (entry, var index) = Math.DivRem(entry, size);
            indices.Insert(0, index);
        }
        return string.Join(", ", indices);
    }
}
