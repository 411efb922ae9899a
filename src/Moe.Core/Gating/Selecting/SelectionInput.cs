using static TorchSharp.torch;

namespace Moe.Core;

/// <summary>What a <see cref="SelectionRule"/> chooses by. Its tensors belong to the gate; do not keep or change them.</summary>
public sealed class SelectionInput
{
    internal SelectionInput(GatingNetwork gate, RouterInput input, Tensor logits, Tensor scores, Tensor keys)
    {
        Gate = gate;
        Input = input;
        Logits = logits;
        Scores = scores;
        Keys = keys;
    }

    /// <summary>The gate that asks.</summary>
    public GatingNetwork Gate { get; }

    /// <summary>The tokens, padding, sequence length and mode.</summary>
    public RouterInput Input { get; }

    /// <summary>Logits after noise and temperature, [T, E], with gradients.</summary>
    public Tensor Logits { get; }

    /// <summary>Scores, [T, E], with gradients.</summary>
    public Tensor Scores { get; }

    /// <summary>
    /// What is to be chosen by, [T, E], without gradients: the scores plus the selection bias, or logits in the same order
    /// (<see cref="SelectionRule.NeedsOrderOnly"/>).
    /// </summary>
    public Tensor Keys { get; }

    /// <summary>K.</summary>
    public int TopK => Gate.TopK;

    /// <summary>Random numbers.</summary>
    public RandomDraws Draws => Gate.Draws;
}
