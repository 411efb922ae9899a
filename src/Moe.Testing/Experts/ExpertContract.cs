using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>Puts an expert, a user's own too, through the laws that a layer relies on (<see cref="ExpertLaw"/>), and says what it saw of those that are broken.</summary>
/// <remarks>Knows no test framework; used as <see cref="RouterContract"/> is. On the CPU, on the calling thread.</remarks>
public sealed class ExpertContract : Contract<ExpertLaw>
{
    private readonly Func<IExpert> _make;
    private readonly ScalarType _type;

    /// <summary>Makes the contract of an expert.</summary>
    /// <param name="make">Makes an expert, a new one each time; the contract disposes those that can be.</param>
    /// <param name="type">The type of the rows, which is that of the expert's weights.</param>
    public ExpertContract(Func<IExpert> make, ScalarType type = ScalarType.Float32)
    {
        ArgumentNullException.ThrowIfNull(make);
        _make = make;
        _type = type;
    }

    /// <summary>Every law, for a test framework to make one test of each.</summary>
    public static IReadOnlyList<ExpertLaw> Laws { get; } = Enum.GetValues<ExpertLaw>();

    private protected override IEnumerable<Trial> Trials(ExpertLaw law) => [new ExpertTrial(law, _make, _type)];
}
