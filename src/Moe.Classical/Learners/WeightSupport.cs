namespace Moe.Classical;

/// <summary>What a learner does with the weights of rows.</summary>
public enum WeightSupport
{
    /// <summary>Minimises a weighted loss: a weight of 2 is a row that is there twice.</summary>
    Native,

    /// <summary>Takes no weights: rows are drawn in proportion to them instead, with a fixed seed.</summary>
    Resample,

    /// <summary>Takes no weights and no drawn rows: gets the rows that are its own more than any other expert's.</summary>
    HardOnly,
}
