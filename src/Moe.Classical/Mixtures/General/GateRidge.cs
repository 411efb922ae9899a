namespace Moe.Classical;

/// <summary>Chooses the ridge of a softmax gate by cross-validation: which gate makes rows likely that it was not fitted to, given the experts' honest densities?</summary>
internal static class GateRidge
{
    private static readonly double[] Candidates = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

    /// <summary>The ridge with the greatest cross-validated log-likelihood; of equal ones the greatest.</summary>
    /// <param name="terms">z.</param>
    /// <param name="shares">r, [n, K].</param>
    /// <param name="logDensity">log p, [n, K].</param>
    /// <param name="weights">s, [n].</param>
    /// <param name="fold">Each row's fold.</param>
    /// <param name="folds">How many.</param>
    /// <param name="cancellation">Cancels.</param>
    public static double Choose(StandardTerms terms, double[] shares, double[] logDensity, double[] weights, int[] fold, int folds, CancellationToken cancellation)
    {
        var experts = shares.Length / weights.Length;
        var gates = new SoftmaxRegression[folds];
        var inFold = new double[folds][];
        var totals = new double[folds];
        for (var held = 0; held < folds; held++)
        {
            gates[held] = new SoftmaxRegression(terms, experts);
            inFold[held] = new double[weights.Length];
            for (var row = 0; row < weights.Length; row++)
                totals[held] += inFold[held][row] = fold[row] == held ? 0 : weights[row];
        }
        var (best, most, falls) = (Candidates[0], double.NegativeInfinity, 0);
        var joint = new double[experts];
        foreach (var ridge in Candidates)
        {
            var sum = 0.0;
            for (var held = 0; held < folds; held++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (totals[held] > 0)
                    gates[held].Fit(shares, inFold[held], ridge * totals[held], 8, cancellation);
                for (var row = 0; row < weights.Length; row++)
                {
                    if (fold[row] != held || weights[row] == 0)
                        continue;
                    for (var expert = 0; expert < experts; expert++)
                        joint[expert] = gates[held].Log[(row * experts) + expert] + logDensity[(row * experts) + expert];
                    sum += weights[row] * Math.Max(LogSum.Of(joint), -700);
                }
            }
            if (sum > most)
                (best, most, falls) = (ridge, sum, 0);
            else if (++falls == 2)
                break;
        }
        return best;
    }
}
