namespace Moe.Classical;

/// <summary>How alike two rows are for a vector machine.</summary>
public enum VectorMachineKernel
{
    /// <summary>x·z: a plane between two classes.</summary>
    Linear,

    /// <summary>exp(-γ‖x - z‖²): the nearer, the more alike.</summary>
    Rbf,

    /// <summary>(γ x·z + c)^degree: products of columns.</summary>
    Polynomial,
}
