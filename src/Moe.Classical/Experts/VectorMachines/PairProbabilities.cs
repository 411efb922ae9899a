namespace Moe.Classical;

/// <summary>Turns the decisions of all pairs into probabilities of all classes. Not for several threads at once.</summary>
/// <param name="present">The classes that the pairs are about, ascending.</param>
/// <param name="classes">C, the number of all classes.</param>
/// <param name="power">See <see cref="CouplingPower"/>.</param>
internal sealed class PairProbabilities(int[] present, int classes, double power)
{
    /// <summary>No class gets less than this; nor does a side of a pair.</summary>
    public const double Least = 1e-7;

    private readonly PairwiseCoupling _coupling = new(present.Length);
    private readonly double[] _pairwise = new double[present.Length * present.Length];
    private readonly double[] _coupled = new double[present.Length];

    /// <summary>One row: decisions of P pairs into C probabilities.</summary>
    public void Of(ReadOnlySpan<double> decisions, ReadOnlySpan<PlattSigmoid> sigmoids, Span<double> probabilities)
    {
        var sum = 0.0;
        var coupled = Couple(decisions, sigmoids);
        foreach (ref var probability in coupled)
            sum += probability = Math.Pow(probability, power);
        probabilities.Fill(Least);
        for (var place = 0; place < coupled.Length; place++)
            probabilities[present[place]] += (1 - (classes * Least)) * coupled[place] / sum;
    }

    /// <summary>One row: probabilities of the classes present, before the power; valid until the next row.</summary>
    public Span<double> Couple(ReadOnlySpan<double> decisions, ReadOnlySpan<PlattSigmoid> sigmoids)
    {
        var count = present.Length;
        var pair = 0;
        for (var first = 0; first < count; first++)
        {
            for (var second = first + 1; second < count; second++, pair++)
            {
                var probability = Math.Clamp(sigmoids[pair].Probability(decisions[pair]), Least, 1 - Least);
                _pairwise[(first * count) + second] = probability;
                _pairwise[(second * count) + first] = 1 - probability;
            }
        }
        if (count == 2)
            (_coupled[0], _coupled[1]) = (_pairwise[1], _pairwise[2]);
        else
            _coupling.Solve(_pairwise, _coupled);
        return _coupled;
    }
}
