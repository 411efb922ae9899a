using System.Globalization;

namespace Moe.MLNet;

/// <summary>Numbers in ML.NET's only type.</summary>
internal static class SingleNumbers
{
    /// <summary>Rounds to Single.</summary>
    /// <exception cref="ArgumentException">A number is beyond the range of Single.</exception>
    public static void Copy(ReadOnlySpan<double> numbers, Span<float> destination, string name)
    {
        for (var place = 0; place < numbers.Length; place++)
        {
            var rounded = (float)numbers[place];
            if (!float.IsFinite(rounded))
                throw new ArgumentException($"ML.NET reckons in Float32, but {name} hold {numbers[place].ToString(CultureInfo.InvariantCulture)}, which is beyond ±{float.MaxValue.ToString(CultureInfo.InvariantCulture)}.", name);
            destination[place] = rounded;
        }
    }
}
