namespace Moe.Core;

/// <summary>Who was sent where by one mixture in one forward pass, token by token, in plain numbers.</summary>
/// <remarks>Immutable. T tokens, K choices; entry t · K + k is the k-th choice of token t.</remarks>
public sealed class TracedLayer
{
    internal TracedLayer(string name, int expertCount, int topK, int[] experts, double[] weights, TracedState[] states)
    {
        Name = name;
        ExpertCount = expertCount;
        TopK = topK;
        Experts = experts;
        Weights = weights;
        States = states;
    }

    /// <summary>The layer's name, as whoever made the trace calls it.</summary>
    public string Name { get; }

    /// <summary>E.</summary>
    public int ExpertCount { get; }

    /// <summary>K.</summary>
    public int TopK { get; }

    /// <summary>T, padding included.</summary>
    public int TokenCount => Experts.Count / TopK;

    /// <summary>The expert of each choice, [T · K].</summary>
    public IReadOnlyList<int> Experts { get; }

    /// <summary>Its weight, [T · K]; 0 where it was not kept.</summary>
    public IReadOnlyList<double> Weights { get; }

    /// <summary>What became of it, [T · K].</summary>
    public IReadOnlyList<TracedState> States { get; }
}
