using static TorchSharp.torch;

namespace Moe.Classical;

/// <summary>Fits the sigmoids of all pairs to decisions about rows that the deciding machine has not seen.</summary>
internal sealed class MachineCalibration(MachineTrainer trainer, Tensor scaled, int[] labels, int classes, double[] weights)
{
    private readonly double[] _decisions = new double[labels.Length * trainer.Pairs];

    /// <summary>One a pair.</summary>
    public PlattSigmoid[] Sigmoids { get; } = new PlattSigmoid[trainer.Pairs];

    /// <summary>See <see cref="CouplingPower"/>; 1 for two classes, whose one sigmoid needs none.</summary>
    public double Power { get; private set; } = 1;

    /// <summary>Trains in folds; fits the sigmoids and the power.</summary>
    /// <param name="machines">The machines of all rows, for classes too small for folds.</param>
    /// <param name="folds">At least 2.</param>
    /// <param name="seed">Who is dealt to which fold.</param>
    public void Run(PairMachines machines, int folds, long seed)
    {
        folds = Math.Min(folds, labels.Length);
        var dealt = CalibrationFolds.Deal(labels, classes, folds, seed);
        for (var fold = 0; fold < folds; fold++)
            DecideFold(dealt, fold);
        var counts = new int[classes];
        foreach (var label in labels)
            counts[label]++;
        double[]? own = null;
        var pair = 0;
        for (var first = 0; first < classes; first++)
        {
            for (var second = first + 1; second < classes; second++, pair++)
            {
                if (counts[first] > 1 && counts[second] > 1)
                {
                    Sigmoids[pair] = Fit(_decisions, pair, first, second);
                    continue;
                }
                if (own is null)
                    machines.Decide(scaled, own = new double[_decisions.Length]);
                Sigmoids[pair] = Fit(own, pair, first, second);
            }
        }
        if (classes > 2)
            Power = FitPower();
    }

    /// <summary>Writes the probabilities of each row, by the machines of the other folds.</summary>
    /// <param name="present">Which classes the pairs are about.</param>
    /// <param name="all">C.</param>
    /// <param name="places">Where in <paramref name="target"/> each row belongs.</param>
    /// <param name="target">[n, C].</param>
    public void Answer(int[] present, int all, long[] places, double[] target)
    {
        var probabilities = new PairProbabilities(present, all, Power);
        for (var row = 0; row < labels.Length; row++)
            probabilities.Of(_decisions.AsSpan(row * trainer.Pairs, trainer.Pairs), Sigmoids, target.AsSpan((int)places[row] * all, all));
    }

    private double FitPower()
    {
        var probabilities = new PairProbabilities([.. Enumerable.Range(0, classes)], classes, 1);
        var logs = new double[labels.Length * classes];
        for (var row = 0; row < labels.Length; row++)
        {
            var coupled = probabilities.Couple(_decisions.AsSpan(row * trainer.Pairs, trainer.Pairs), Sigmoids);
            for (var label = 0; label < classes; label++)
                logs[(row * classes) + label] = Math.Log(Math.Max(coupled[label], PairProbabilities.Least));
        }
        return CouplingPower.Fit(logs, labels, weights, classes);
    }

    private void DecideFold(int[] dealt, int fold)
    {
        using var scope = NewDisposeScope();
        int[] inside = [.. Enumerable.Range(0, labels.Length).Where(row => dealt[row] == fold)];
        int[] outside = [.. Enumerable.Range(0, labels.Length).Where(row => dealt[row] != fold)];
        if (inside.Length == 0)
            return;
        var values = new double[inside.Length * trainer.Pairs];
        trainer.Train(outside).Decide(scaled.index_select(0, tensor(inside.Select(row => (long)row).ToArray())), values);
        for (var place = 0; place < inside.Length; place++)
            values.AsSpan(place * trainer.Pairs, trainer.Pairs).CopyTo(_decisions.AsSpan(inside[place] * trainer.Pairs));
    }

    /// <summary>The sigmoid of a pair, fitted to its rows.</summary>
    private PlattSigmoid Fit(double[] decisions, int pair, int first, int second)
    {
        var values = new List<double>();
        var ofFirst = new List<bool>();
        var counted = new List<double>();
        for (var row = 0; row < labels.Length; row++)
        {
            if (labels[row] != first && labels[row] != second)
                continue;
            values.Add(decisions[(row * trainer.Pairs) + pair]);
            ofFirst.Add(labels[row] == first);
            counted.Add(weights[row]);
        }
        return PlattSigmoid.Fit(values.ToArray(), ofFirst.ToArray(), counted.ToArray());
    }
}
