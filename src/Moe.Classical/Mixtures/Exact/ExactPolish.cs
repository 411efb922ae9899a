namespace Moe.Classical;

/// <summary>Newton's method on the log-likelihood of a mixture itself, after EM has come near: where the information is not positive definite, steps turn towards the gradient.</summary>
internal static class ExactPolish
{
    private const int MostSteps = 100;

    /// <summary>Climbs to the next maximum; never ends lower than it began.</summary>
    /// <returns>Steps, and whether the gradient vanishes there.</returns>
    public static (int Steps, bool Converged) Run(ExactMixture mixture, CancellationToken cancellation)
    {
        var information = new ObservedInformation(mixture);
        var size = information.Size;
        var (place, step) = (new double[size], new double[size]);
        var (matrix, aliased) = (new double[size * size], new bool[size]);
        var objective = information.Objective();
        var damping = 0.0;
        for (var round = 0; round < MostSteps; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            information.Compute();
            information.Move(place, into: false);
            var accepted = false;
            for (var trial = 0; trial < 30 && !accepted; trial++)
            {
                information.Matrix.CopyTo(matrix, 0);
                for (var diagonal = 0; diagonal < size * size; diagonal += size + 1)
                    matrix[diagonal] += damping * (Math.Abs(matrix[diagonal]) + (1e-6 * mixture.Rows.Total));
                information.Gradient.CopyTo(step, 0);
                if (AliasedCholesky.Factor(matrix, aliased, AliasedCholesky.Rounding) < size)
                {
                    damping = Math.Max(damping * 10, 1e-6);
                    continue;
                }
                AliasedCholesky.Substitute(matrix, aliased, step);
                var gain = 0.0;
                for (var parameter = 0; parameter < size; parameter++)
                    gain += step[parameter] * information.Gradient[parameter];
                if (gain <= 1e-14 * mixture.Rows.Total)
                    return (round, true);
                for (var parameter = 0; parameter < size; parameter++)
                    step[parameter] += place[parameter];
                information.Move(step, into: true);
                var better = information.Gaussian && mixture.Parts.Any(part => !(part.Sigma > mixture.Floor)) ? double.NegativeInfinity : information.Objective();
                accepted = better >= objective;
                if (accepted)
                    objective = better;
                damping = accepted ? damping * 0.1 < 1e-9 ? 0 : damping * 0.1 : Math.Max(damping * 10, 1e-6);
            }
            if (!accepted)
            {
                information.Move(place, into: true);
                return (round, Small(information, mixture.Rows.Total));
            }
        }
        information.Compute();
        return (MostSteps, Small(information, mixture.Rows.Total));
    }

    /// <summary>A gradient of rounding errors: no parameter of terms of size 1 would change the likelihood of a row by much.</summary>
    private static bool Small(ObservedInformation information, double total) => information.Gradient.All(slope => Math.Abs(slope) <= 1e-7 * total);
}
