namespace Moe.HuggingFace;

/// <summary>What a published tensor is in a block. Shapes are those of one expert, output width first, as in y = x · Wᵀ + b.</summary>
public enum WeightRole
{
    /// <summary>The router's matrix, [E, D].</summary>
    RouterWeight,

    /// <summary>The router's bias, part of the logits, [E].</summary>
    RouterBias,

    /// <summary>What is added to the scores for choosing only, [E].</summary>
    SelectionBias,

    /// <summary>W_gate, [F, D].</summary>
    Gate,

    /// <summary>W_up, [F, D]; the first matrix of experts without a gate projection.</summary>
    Up,

    /// <summary>W_gate and W_up in one, [2F, D].</summary>
    GateUp,

    /// <summary>W_down, [D, F].</summary>
    Down,

    /// <summary>The bias of W_gate, [F].</summary>
    GateBias,

    /// <summary>The bias of W_up, [F].</summary>
    UpBias,

    /// <summary>The biases of W_gate and W_up in one, [2F].</summary>
    GateUpBias,

    /// <summary>The bias of W_down, [D].</summary>
    DownBias,

    /// <summary>W_gate of the shared expert, [Fs, D].</summary>
    SharedGate,

    /// <summary>W_up of the shared expert, [Fs, D].</summary>
    SharedUp,

    /// <summary>W_gate and W_up of the shared expert in one, [2Fs, D].</summary>
    SharedGateUp,

    /// <summary>W_down of the shared expert, [D, Fs].</summary>
    SharedDown,

    /// <summary>The bias of the shared expert's W_gate, [Fs].</summary>
    SharedGateBias,

    /// <summary>The bias of the shared expert's W_up, [Fs].</summary>
    SharedUpBias,

    /// <summary>The bias of the shared expert's W_down, [D].</summary>
    SharedDownBias,

    /// <summary>The row that says how much a self-gated shared expert counts, [1, D].</summary>
    SharedSelector,
}
