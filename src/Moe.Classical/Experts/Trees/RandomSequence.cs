namespace Moe.Classical;

/// <summary>Random numbers that are the same on every machine and version of .NET (SplitMix64: Steele, Lea, Flood 2014). For one thread.</summary>
internal sealed class RandomSequence
{
    private ulong _state;

    /// <summary>The sequence of a number under a seed; those of neighbouring numbers have nothing to do with each other.</summary>
    public RandomSequence(long seed, int number)
    {
        _state = Mix((ulong)seed + 0x9E3779B97F4A7C15UL);
        _state = Mix(_state ^ Mix((ulong)number + 0xD1B54A32D192ED03UL));
    }

    /// <summary>From 0 to <paramref name="count"/> - 1; the bias is below count / 2⁶⁴.</summary>
    public int Below(int count) => (int)Math.BigMul(Next(), (ulong)count, out _);

    /// <summary>From 0 on, below 1.</summary>
    public double Fraction() => (Next() >> 11) * (1.0 / (1UL << 53));

    private ulong Next() => Mix(_state += 0x9E3779B97F4A7C15UL);

    private static ulong Mix(ulong bits)
    {
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9UL;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBUL;
        return bits ^ (bits >> 31);
    }
}
