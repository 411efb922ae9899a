namespace Moe.Classical;

/// <summary>Random numbers that are the same on every machine and version: SplitMix64 (Steele, Lea and Flood 2014).</summary>
internal sealed class DrawSequence(long seed)
{
    private ulong _state = unchecked((ulong)seed);

    /// <summary>Uniform, from 0 to below 1.</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>0 to <paramref name="count"/> - 1.</summary>
    public int Below(int count) => (int)Math.Min(count - 1, (long)(Uniform() * count));

    /// <summary>Puts the items into a random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var last = items.Length - 1; last > 0; last--)
        {
            var other = Below(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private ulong Bits()
    {
        var bits = unchecked(_state += 0x9E3779B97F4A7C15UL);
        bits = unchecked((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9UL);
        bits = unchecked((bits ^ (bits >> 27)) * 0x94D049BB133111EBUL);
        return bits ^ (bits >> 31);
    }
}
