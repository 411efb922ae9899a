namespace Moe.Testing;

/// <summary>The laws of answering, each of which a layer relies on.</summary>
public enum ExpertLaw
{
    /// <summary>[n, D] is answered by [n, Dout] of the rows' type and device, [0, D] by [0, Dout].</summary>
    StatedShape,

    /// <summary>In evaluation mode, row i of the answer depends on row i of the input alone: rows alone and in another order are answered the same.</summary>
    RowsAreAnsweredAlone,

    /// <summary>In evaluation mode the same rows are answered the same, to the bit.</summary>
    DeterministicEvaluation,

    /// <summary>The input is not changed, not disposed, and not handed back as the answer.</summary>
    InputIsLeftAlone,

    /// <summary>Gradients of an expert that is a module, for its parameters and its input, are finite; no rows give none, or zeros.</summary>
    FiniteGradients,

    /// <summary>Answering within a dispose scope, as a layer does, leaves no tensor alive.</summary>
    NothingLeaks,

    /// <summary>A layer with this expert answers as the expert does, times the weight, and works when no token is sent to it.</summary>
    WorksInLayer,
}
