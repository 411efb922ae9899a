using Moe.Core;

namespace Moe.Classical;

/// <summary>An expert that is fitted already, as a learner that always returns it: frozen.</summary>
/// <remarks>Where it saw the rows it is judged on, what it says of them is too good: it is not refitted without them.</remarks>
public sealed class GivenLearner : IExpertLearner
{
    /// <summary>A learner that returns an expert.</summary>
    /// <param name="expert">Any expert; stays the caller's. A network should be in evaluation mode.</param>
    /// <param name="name">Short name for tables.</param>
    public GivenLearner(IExpert expert, string name = "given")
    {
        ArgumentNullException.ThrowIfNull(expert);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        Expert = expert;
        Name = name;
    }

    /// <summary>The expert.</summary>
    public IExpert Expert { get; }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public WeightSupport Weights => WeightSupport.Native;

    /// <inheritdoc/>
    public bool OverfitsOwnRows => false;

    /// <inheritdoc/>
    public bool Takes(ResponseKind kind) => kind == ResponseKind.Class ? Expert.OutputWidth >= 2 : Expert.OutputWidth == 1;

    /// <summary>The expert itself, if its widths are those of the data.</summary>
    /// <exception cref="ArgumentException">They are not.</exception>
    public IExpert Fit(FitData data, FitContext context)
    {
        ArgumentNullException.ThrowIfNull(data);
        return ExpertAnswers.Checked(Expert, data, Name);
    }
}
