namespace Moe.Classical;

/// <summary>What members of a mixture must be to go together, and what their rows must be.</summary>
internal static class MemberRules
{
    public static void Require(IReadOnlyList<MixtureMember> members, EmOptions options, string name)
    {
        if (members.Count == 0)
            throw new ArgumentException("Expected at least 1 member, got none.", name);
        foreach (var member in members)
            ArgumentNullException.ThrowIfNull(member, name);
        foreach (var member in members)
        {
            if (members.Count(other => other.Name == member.Name) > 1)
                throw new ArgumentException($"More than one member is called \"{member.Name}\".", name);
            if (member.OwnDensity && member.Noise is not null)
                throw new ArgumentException($"Member \"{member.Name}\" has both OwnDensity and Noise; one of them describes its responses.", name);
            if (member is { OwnDensity: true, Expert: not (null or IDensityExpert) })
                throw new ArgumentException($"Member \"{member.Name}\" has OwnDensity, but its expert has none ({nameof(IDensityExpert)}).", name);
            if (options.SharedSigma && (member.OwnDensity || member.Noise is not (null or GaussianNoiseFamily)))
                throw new ArgumentException($"SharedSigma wants normal noise of every member; \"{member.Name}\" has other noise.", name);
        }
    }

    public static void Require(MixtureLearner learner, FitData data)
    {
        var (members, kind, options) = (learner.Members, data.Response.Kind, learner.Options);
        foreach (var member in members)
        {
            if (member.Learner?.Takes(kind) == false)
                throw new ArgumentException($"Member \"{member.Name}\" ({member.Learner.Name}) does not take responses of kind {kind}.", nameof(data));
            if (!member.OwnDensity && (member.Noise ?? NoiseFamilies.DefaultFor(kind)) is var noise && !noise.Takes(kind))
                throw new ArgumentException($"The noise of member \"{member.Name}\" ({noise.Name}) does not take responses of kind {kind}.", nameof(data));
            if (member.Columns is { } columns)
                Columns.Require(columns, data.Width, nameof(data));
            if (member.Expert is { } expert && (expert.InputWidth != (member.Columns?.Count ?? data.Width) || expert.OutputWidth != data.Response.Width))
                throw new ArgumentException($"Member \"{member.Name}\" maps rows of width {expert.InputWidth} to {expert.OutputWidth}; expected {member.Columns?.Count ?? data.Width} to {data.Response.Width}.", nameof(data));
        }
        if (learner.GateColumns is { } gate)
            Columns.Require(gate, data.Width, nameof(data));
        if (options.SharedSigma && kind != ResponseKind.Real)
            throw new ArgumentException($"SharedSigma wants real numbers; the responses are of kind {kind}.", nameof(data));
        if (options.ColumnNames is { } names && names.Count != data.Width)
            throw new ArgumentException($"Expected {data.Width} ColumnNames, one for each column, got {names.Count}.", nameof(data));
        var rows = data.Weights is null ? data.Rows : data.Weights.count_nonzero().item<long>();
        if (rows < members.Count)
            throw new ArgumentException($"A mixture of {members.Count} experts cannot be fitted to {rows} rows with weight: there are more experts than rows.", nameof(data));
        if (rows < options.Folds && GeneralPart.NeedsFolds(learner))
            throw new ArgumentException($"{options.Folds} folds cannot be made of {rows} rows with weight; Folds must be at most their number.", nameof(data));
    }
}
