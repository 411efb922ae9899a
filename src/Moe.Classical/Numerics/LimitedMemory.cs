namespace Moe.Classical;

/// <summary>The inverse Hessian of L-BFGS (Nocedal 1980): what the last ten steps told of it.</summary>
/// <param name="guess">Multiplies a vector by a first guess of the inverse Hessian, up to scale; null for the unit matrix.</param>
internal sealed class LimitedMemory(Action<double[]>? guess = null)
{
    private const int Pairs = 10;
    private readonly List<(double[] Move, double[] Change, double Product)> _pairs = [];
    private readonly double[] _factors = new double[Pairs];
    private double _scale;

    /// <summary>True before the first step is remembered.</summary>
    public bool IsEmpty => _pairs.Count == 0;

    /// <summary>The inverse Hessian times a gradient.</summary>
    /// <param name="gradient">The gradient.</param>
    /// <param name="scale">Of the first guess, while nothing is remembered.</param>
    /// <param name="step">Becomes the product.</param>
    public void Multiply(double[] gradient, double scale, double[] step)
    {
        gradient.CopyTo(step, 0);
        for (var pair = _pairs.Count - 1; pair >= 0; pair--)
        {
            _factors[pair] = Products.Dot(_pairs[pair].Move, step) / _pairs[pair].Product;
            Products.AddScaled(step, _pairs[pair].Change, -_factors[pair]);
        }
        guess?.Invoke(step);
        foreach (ref var value in step.AsSpan())
            value *= IsEmpty ? scale : _scale;
        for (var pair = 0; pair < _pairs.Count; pair++)
            Products.AddScaled(step, _pairs[pair].Move, _factors[pair] - (Products.Dot(_pairs[pair].Change, step) / _pairs[pair].Product));
    }

    /// <summary>Remembers a step, if the gradient grew along it: by more than <paramref name="curvature"/> times its length.</summary>
    /// <param name="from">Where it began.</param>
    /// <param name="to">Where it ended.</param>
    /// <param name="before">The gradient there of what is minimised.</param>
    /// <param name="after">The gradient here.</param>
    /// <param name="curvature">0, or more where what is minimised is not convex.</param>
    public void Remember(double[] from, double[] to, double[] before, double[] after, double curvature)
    {
        var (move, change) = (new double[from.Length], new double[from.Length]);
        for (var place = 0; place < from.Length; place++)
            (move[place], change[place]) = (to[place] - from[place], after[place] - before[place]);
        var product = Products.Dot(move, change);
        if (!(product > curvature * Products.Dot(move, move)))
            return;
        if (_pairs.Count == Pairs)
            _pairs.RemoveAt(0);
        _pairs.Add((move, change, product));
        if (guess is null)
        {
            _scale = product / Products.Dot(change, change);
            return;
        }
        var guessed = (double[])change.Clone();
        guess(guessed);
        _scale = product / Products.Dot(change, guessed);
    }
}
