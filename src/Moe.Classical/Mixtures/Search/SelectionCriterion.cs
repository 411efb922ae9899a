namespace Moe.Classical;

/// <summary>By what the number of experts is chosen.</summary>
public enum SelectionCriterion
{
    /// <summary>The least <see cref="FitReport.Bic"/>: finds the number that there is, given enough rows.</summary>
    Bic,

    /// <summary>The least <see cref="FitReport.Icl"/>: as BIC, but prefers experts whose rows are told apart clearly.</summary>
    Icl,

    /// <summary>The least <see cref="FitReport.Aic"/>: for prediction; tends to more experts than BIC.</summary>
    Aic,

    /// <summary>The greatest log-likelihood of rows left out, in folds. The only one for experts whose parameters cannot be counted.</summary>
    CrossValidation,
}
