namespace Moe.Classical;

/// <summary>Random numbers that are the same on every machine and version of .NET: SplitMix64 (Steele, Lea and Flood 2014). For one thread.</summary>
internal sealed class DrawSequence
{
    private const ulong Step = 0x9E3779B97F4A7C15UL;
    private ulong _state;

    /// <summary>The sequence of a seed.</summary>
    public DrawSequence(long seed) => _state = (ulong)seed;

    /// <summary>The sequence of a number under a seed; those of neighbouring numbers have nothing to do with each other.</summary>
    public DrawSequence(long seed, int number) => _state = Mix(Mix((ulong)seed + Step) ^ Mix((ulong)number + 0xD1B54A32D192ED03UL));

    /// <summary>Uniform, from 0 to below 1.</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>0 to <paramref name="count"/> - 1; the bias is below count / 2⁶⁴.</summary>
    public int Below(int count) => (int)Math.BigMul(Bits(), (ulong)count, out _);

    /// <summary>Puts the items into a random order (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var last = items.Length - 1; last > 0; last--)
        {
            var other = Below(last + 1);
            (items[last], items[other]) = (items[other], items[last]);
        }
    }

    private ulong Bits() => Mix(_state += Step);

    private static ulong Mix(ulong bits)
    {
        bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9UL;
        bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBUL;
        return bits ^ (bits >> 31);
    }
}
