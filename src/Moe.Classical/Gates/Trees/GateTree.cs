using System.Globalization;

namespace Moe.Classical;

/// <summary>The shape of a hierarchy of gates (Jordan and Jacobs 1994): at each branch one gate chooses among its children, at each leaf there is an expert.</summary>
/// <remarks>Never changed after it is made.</remarks>
public sealed class GateTree
{
    private GateTree(int? expert, IReadOnlyList<GateTree> children) => (Expert, Children) = (expert, children);

    /// <summary>The expert at this leaf; null at a branch.</summary>
    public int? Expert { get; }

    /// <summary>The children of this branch, at least 2; none at a leaf.</summary>
    public IReadOnlyList<GateTree> Children { get; }

    /// <summary>The experts at the leaves, from the first child to the last.</summary>
    public IEnumerable<int> Leaves => Expert is { } expert ? [expert] : Children.SelectMany(child => child.Leaves);

    /// <summary>This branch and all branches below it, each before those below it; none for a leaf.</summary>
    public IEnumerable<GateTree> Branches => Expert is null ? Children.SelectMany(child => child.Branches).Prepend(this) : [];

    /// <summary>A leaf.</summary>
    /// <param name="expert">Which expert, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="expert"/> is below 0.</exception>
    public static GateTree Leaf(int expert)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(expert);
        return new GateTree(expert, []);
    }

    /// <summary>A branch.</summary>
    /// <param name="children">What its gate chooses among, at least 2.</param>
    /// <exception cref="ArgumentException">There are fewer than 2 children, or one is null.</exception>
    public static GateTree Branch(params IReadOnlyList<GateTree> children)
    {
        ArgumentNullException.ThrowIfNull(children);
        if (children.Count < 2)
            throw new ArgumentException($"Expected at least 2 children of a branch, got {children.Count}.", nameof(children));
        foreach (var child in children)
            ArgumentNullException.ThrowIfNull(child, nameof(children));
        return new GateTree(null, [.. children]);
    }

    /// <summary>A tree over experts 0 to K - 1 in their order, whose branches share them out as evenly as can be.</summary>
    /// <param name="experts">K, at least 1.</param>
    /// <param name="branching">The most children of a branch, at least 2. As many as K or more give one flat gate.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static GateTree Balanced(int experts, int branching = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(experts, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(branching, 2);
        return Over(0, experts, branching);
    }

    /// <inheritdoc/>
    public override string ToString() => Expert is { } expert ? expert.ToString(CultureInfo.InvariantCulture) : $"({string.Join(" ", Children)})";

    /// <summary>Every expert from 0 to K - 1 is at one leaf.</summary>
    internal void RequireComplete(string name)
    {
        var leaves = Leaves.Order().ToArray();
        for (var place = 0; place < leaves.Length; place++)
        {
            if (place > 0 && leaves[place] == leaves[place - 1])
                throw new ArgumentException($"Expert {leaves[place]} is at more than one leaf of {this}; each must be at one.", name);
            if (leaves[place] != place)
                throw new ArgumentException($"Expert {place} is at no leaf of {this}, though expert {leaves[^1]} is; each must be at one.", name);
        }
    }

    /// <summary>The shape in numbers: for a branch how many children, then they; for a leaf -1 less the expert.</summary>
    internal int[] ToNumbers() => Expert is { } expert ? [-1 - expert] : [Children.Count, .. Children.SelectMany(child => child.ToNumbers())];

    internal static GateTree FromNumbers(IReadOnlyList<int> numbers)
    {
        var place = 0;
        var tree = Read(numbers, ref place);
        return place == numbers.Count ? tree : throw new ArgumentException($"The shape of a tree of gates has {numbers.Count} numbers; expected {place}.", nameof(numbers));
    }

    private static GateTree Read(IReadOnlyList<int> numbers, ref int place)
    {
        if (place >= numbers.Count)
            throw new ArgumentException($"The shape of a tree of gates ends after {numbers.Count} numbers.", nameof(numbers));
        var number = numbers[place++];
        if (number < 0)
            return Leaf(-1 - number);
        var children = new List<GateTree>();
        for (var child = 0; child < number; child++)
            children.Add(Read(numbers, ref place));
        return Branch(children);
    }

    private static GateTree Over(int first, int experts, int branching)
    {
        if (experts == 1)
            return Leaf(first);
        var parts = Math.Min(experts, branching);
        var children = new GateTree[parts];
        for (var part = 0; part < parts; part++)
        {
            var size = (experts + part) / parts;
            children[part] = Over(first, size, branching);
            first += size;
        }
        return Branch(children);
    }
}
