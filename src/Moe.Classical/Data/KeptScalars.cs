using TorchSharp;

namespace Moe.Classical;

/// <summary>Numbers for torch's operators that live as long as the program.</summary>
/// <remarks>
/// TorchSharp turns the number in <c>x * 2.0</c>, <c>x.square()</c> or <c>a + b</c> into an object that it does not keep while native code reads it: where another thread
/// collects garbage at that moment, the number is freed too early. Code that runs on several threads at once therefore takes its numbers from here, writes
/// <c>x.mul(x)</c> for a square and <c>a.add(b, KeptScalars.One)</c> for a sum, and keeps scalars that it makes itself alive with <see cref="GC.KeepAlive"/>.
/// </remarks>
internal static class KeptScalars
{
    public static readonly Scalar Zero = 0.0;
    public static readonly Scalar One = 1.0;
    public static readonly Scalar MinusOne = -1.0;
    public static readonly Scalar Two = 2.0;
    public static readonly Scalar Half = 0.5;
    public static readonly Scalar MinusHalf = -0.5;
}
