namespace Moe.Classical;

/// <summary>Coefficients of the terms as they are, with standard errors.</summary>
internal static class ExactTable
{
    /// <summary>The table: the gate's coefficients of experts 2 to K, the experts', log σ.</summary>
    public static IReadOnlyList<CoefficientEstimate> Of(ExactMixture mixture, ObservedInformation information, IReadOnlyList<string> names, Func<StandardTerms, int?, IEnumerable<string>> termNames)
    {
        information.Compute();
        var errors = Errors(information);
        var table = new List<CoefficientEstimate>(information.Size);
        void Add(string part, IEnumerable<string> terms, IEnumerable<double> estimates)
        {
            foreach (var (term, estimate) in terms.Zip(estimates))
                table.Add(new CoefficientEstimate(part, term, estimate, errors?[table.Count] is { } error && double.IsFinite(error) ? error : null));
        }
        var gate = mixture.GateTerms;
        for (var expert = 1; expert < mixture.Experts; expert++)
            Add($"gate, {names[expert]}", termNames(gate, null), Kept(gate, mixture.Gate.Coefficients.AsSpan((expert - 1) * gate.Width, gate.Width)));
        for (var expert = 0; expert < mixture.Experts; expert++)
            Add(names[expert], termNames(mixture.Parts[expert].Terms, mixture.Members[expert]), Kept(mixture.Parts[expert].Terms, mixture.Parts[expert].Coefficients));
        if (!information.Gaussian)
            return table;
        for (var expert = 0; expert < (mixture.SharedSigma ? 1 : mixture.Experts); expert++)
            Add(mixture.SharedSigma ? "noise" : names[expert], ["log(sigma)"], [Math.Log(mixture.Parts[expert].Sigma)]);
        return table;
    }

    private static double[] Kept(StandardTerms terms, ReadOnlySpan<double> standardised)
    {
        var raw = terms.ToRaw(standardised);
        return [.. terms.RawPlaces.Select(place => raw[place])];
    }

    /// <summary>Roots of the diagonal of T J⁻¹ Tᵀ; null if J has no inverse.</summary>
    private static double[]? Errors(ObservedInformation information)
    {
        var size = information.Size;
        var (factor, aliased) = ((double[])information.Matrix.Clone(), new bool[size]);
        if (AliasedCholesky.Factor(factor, aliased, AliasedCholesky.Rounding) < size)
            return null;
        var covariance = AliasedCholesky.Inverse(factor, aliased);
        var turn = information.Turn();
        var errors = new double[size];
        for (var parameter = 0; parameter < size; parameter++)
        {
            var row = turn.AsSpan(parameter * size, size);
            var sum = 0.0;
            for (var other = 0; other < size; other++)
            {
                if (row[other] != 0)
                    sum += row[other] * Products.Dot(row, covariance.AsSpan(other * size, size));
            }
            errors[parameter] = Math.Sqrt(sum);
        }
        return errors;
    }
}
