namespace Moe.Classical;

/// <summary>Which rows go to an expert whose learner takes no weights (<see cref="WeightSupport.HardOnly"/>).</summary>
public enum HardAssignment
{
    /// <summary>Those for which it has the greatest responsibility (CEM, Celeux and Govaert 1992).</summary>
    Greatest,

    /// <summary>Those that are drawn for it, each row's expert by its responsibilities (SEM, Celeux and Diebolt 1985). The best iterate is kept.</summary>
    Drawn,
}
