using System.Text;

namespace Moe.HuggingFace;

/// <summary>E and K of the blocks that are saved together. The settings of a model say each once for all of them.</summary>
internal sealed class SavedNumbers
{
    private SavedNumbers(BlockPlan plan, byte[]? settings)
    {
        (Plan, Settings) = (plan, settings);
    }

    /// <summary>What the blocks of the saved model are.</summary>
    public BlockPlan Plan { get; }

    /// <summary>The text of its settings; null for that of the source.</summary>
    public byte[]? Settings { get; }

    /// <summary>The numbers that all blocks of the result have.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="blocks">The blocks of it that are given, each once.</param>
    /// <exception cref="ArgumentException">The result would have blocks of several kinds, or the family's settings have no place for such numbers.</exception>
    public static SavedNumbers Of(Checkpoint source, IReadOnlyList<BlockUpdate> blocks)
    {
        var (experts, topK) = (source.Plan.Gate.ExpertCount, source.Plan.Gate.TopK);
        var kinds = blocks.GroupBy(block => (block.Experts, block.TopK)).ToArray();
        if (kinds.All(kind => kind.Key == (experts, topK)))
            return new SavedNumbers(source.Plan, null);
        if (kinds.Length == 1 && blocks.Count == source.Blocks.Count)
            return For(source, blocks[0]);
        var given = string.Join(", ", kinds.Select(kind => $"{kind.Count()} with {kind.Key.Experts} experts and K = {kind.Key.TopK} ({kind.First().Info.Beginning})"));
        throw new ArgumentException(
            $"{Checkpoint.ConfigFile} has one number of experts ({experts}) and one K ({topK}) for all blocks. Blocks with others can be saved only where all {source.Blocks.Count} blocks of the checkpoint are given and agree; given are {given}.",
            nameof(blocks));
    }

    /// <summary>The numbers that all blocks of the result have, if they are those of one of them.</summary>
    /// <exception cref="ArgumentException">The family's settings have no place for such numbers.</exception>
    public static SavedNumbers For(Checkpoint source, BlockUpdate block)
    {
        var (family, gate) = (source.Family, source.Plan.Gate);
        if (block.Experts == gate.ExpertCount && block.TopK == gate.TopK)
            return new SavedNumbers(source.Plan, null);
        var settings = File.ReadAllBytes(Path.Combine(source.Folder, Checkpoint.ConfigFile));
        if (block.Experts != gate.ExpertCount)
            settings = Set(nameof(ModelFamily.ExpertFields), family.ExpertFields, block.Experts, $"the number of experts ({gate.ExpertCount})");
        if (block.TopK != gate.TopK)
            settings = Set(nameof(ModelFamily.TopKFields), family.TopKFields, block.TopK, $"K ({gate.TopK})");

        // What was written must be what is read again.
        var plan = BlockPlan.Of(family, ModelConfig.Parse(Encoding.UTF8.GetString(settings).TrimStart('\uFEFF')));
        return block.Experts == plan.Gate.ExpertCount && block.TopK == plan.Gate.TopK
            ? new SavedNumbers(plan, settings)
            : throw new ArgumentException(
                $"With {block.Experts} in {nameof(ModelFamily.ExpertFields)} and {block.TopK} in {nameof(ModelFamily.TopKFields)}, the gate of family {family.Name} has {plan.Gate.ExpertCount} experts and K = {plan.Gate.TopK}: these are not the fields that it is made of.");

        byte[] Set(string property, IReadOnlyList<string> fields, int number, string what)
        {
            if (fields.Count == 0)
                throw new ArgumentException($"The settings of a {family.Name} model have no field for {what}, which cannot become {number} therefore ({nameof(ModelFamily)}.{property} is empty).");
            string[] around = family.ConfigPart is { } part && source.Config.Has(part) ? [part] : [];
            return SettingsNumber.With(settings, [.. fields.Select(field => (string[])[.. around, .. field.Split('.')])], number);
        }
    }

    /// <summary>Refuses a block that does not agree.</summary>
    public void Require(BlockUpdate block, string parameterName)
    {
        if (block.Experts != Plan.Gate.ExpertCount || block.TopK != Plan.Gate.TopK)
        {
            throw new ArgumentException(
                $"{block.Info.Beginning} has {block.Experts} experts and K = {block.TopK}, those before it {Plan.Gate.ExpertCount} and K = {Plan.Gate.TopK}: {Checkpoint.ConfigFile} has one number of experts and one K for all blocks.", parameterName);
        }
    }
}
