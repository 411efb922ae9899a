using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Testing;

/// <summary>
/// Puts a router, a user's own too, through the laws that a layer relies on (<see cref="RouterLaw"/>), and says what it saw of those that are broken.
/// </summary>
/// <remarks>
/// <para>Knows no test framework: <see cref="Contract{TLaw}.Verify()"/> throws one exception that lists everything,
/// <see cref="Contract{TLaw}.Verify(TLaw)"/> makes one test a law, with <see cref="Laws"/> as the cases of a theory.</para>
/// <para>Each law is tried on small batches on the CPU, for one expert, two and five (or the next numbers that the options allow), in Float32 and Float64, and for each
/// seed. It may be broken where it holds here: cases are few, so that a suite runs in seconds. Leaks are counted on the calling thread.</para>
/// </remarks>
public sealed class RouterContract : Contract<RouterLaw>
{
    private readonly Func<RouterContractCase, Router> _make;
    private readonly RouterContractOptions _options;

    /// <summary>Makes the contract of a router.</summary>
    /// <param name="make">Makes a router for a case, a new one each time; the contract disposes it.</param>
    /// <param name="options">What must be known about the router; the defaults when null.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message lists all that are.</exception>
    public RouterContract(Func<RouterContractCase, Router> make, RouterContractOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(make);
        _options = options ?? new RouterContractOptions();
        _options.Validate(nameof(options));
        _make = make;
    }

    /// <summary>Every law, for a test framework to make one test of each.</summary>
    public static IReadOnlyList<RouterLaw> Laws { get; } = Enum.GetValues<RouterLaw>();

    private protected override IEnumerable<Trial> Trials(RouterLaw law)
    {
        var run = RouterLaws.Of(law);
        var cases = _options.Seeds
            .SelectMany(seed => new[] { ScalarType.Float32, ScalarType.Float64 }, (seed, type) => (Experts: Experts(5), Type: type, Seed: seed)).ToList();
        if (RouterLaws.DependsOnExperts(law))
            cases.AddRange([(Experts(1), ScalarType.Float32, _options.Seeds[0]), (Experts(2), ScalarType.Float32, _options.Seeds[0])]);
        return cases.Distinct().Select(item => new RouterTrial($"{law}", run, _make, _options, item.Experts, item.Type, item.Seed));
    }

    /// <summary>The next number of experts that the options allow.</summary>
    private int Experts(int atLeast)
    {
        var (least, multiple) = (Math.Max(atLeast, _options.MinimumExperts), _options.ExpertMultiple);
        return (least + multiple - 1) / multiple * multiple;
    }
}
