namespace Moe.HuggingFace;

/// <summary>A folder with a published model, or with a block of one: <c>config.json</c>, and its tensors in one safetensors file or several.</summary>
/// <remarks>Opening reads headers only. Blocks are found by the names of their routers, and loaded one at a time.</remarks>
public sealed class Checkpoint : IDisposable
{
    /// <summary>The file of the settings.</summary>
    internal const string ConfigFile = "config.json";

    /// <summary>As many are looked for by their names, whatever there is.</summary>
    private const long MostExperts = 1 << 14;

    private readonly SafetensorsFolder _tensors;
    private readonly BlockPlan _plan;

    private Checkpoint(string folder, ModelConfig config, ModelFamily family, SafetensorsFolder tensors)
    {
        (Folder, Config, Family, _tensors) = (folder, config, family, tensors);
        _plan = BlockPlan.Of(family, config);

        // A router has a row for each expert: a number far beyond that is refused before as many names are made of it.
        if (_plan.Gate.ExpertCount > tensors.Entries.Values.Select(entry => entry.Shape.Count == 0 ? 0 : entry.Shape[0]).Append(MostExperts).Max())
            throw new InvalidDataException($"The settings of {folder} say {_plan.Gate.ExpertCount} experts, but no tensor has as many rows.");
        _plan.RequireOptions();
        Blocks = BlockFinder.Find(family, _plan, tensors);
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The settings.</summary>
    public ModelConfig Config { get; }

    /// <summary>The kind of model.</summary>
    public ModelFamily Family { get; }

    /// <summary>All tensors, those outside the blocks too.</summary>
    public ITensorStore Tensors => _tensors;

    /// <summary>The blocks, in the order of the places that the family names and of their layers.</summary>
    public IReadOnlyList<BlockInfo> Blocks { get; }

    internal BlockPlan Plan => _plan;

    internal SafetensorsFolder Files => _tensors;

    /// <summary>Opens a folder.</summary>
    /// <param name="folder">
    /// With <c>config.json</c>, and <c>model.safetensors.index.json</c> with its shards, <c>model.safetensors</c>, or a single <c>.safetensors</c> file of another name.
    /// </param>
    /// <param name="families">Families besides the known ones; they go first.</param>
    /// <exception cref="NotSupportedException">The <c>model_type</c> is of no family.</exception>
    /// <exception cref="InvalidDataException">Something is missing, broken or contradicts itself.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static Checkpoint Open(string folder, IEnumerable<ModelFamily>? families = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder} is no folder.");
        var config = ReadConfig(folder);
        var family = ModelFamilies.Of(config.ModelType, families);
        var tensors = SafetensorsFolder.Open(folder);
        try
        {
            return new Checkpoint(folder, config, family, tensors);
        }
        catch
        {
            tensors.Dispose();
            throw;
        }
    }

    /// <summary>The block of a layer.</summary>
    /// <param name="layer">The layer's number; null for the first block.</param>
    /// <exception cref="ArgumentException">There is no block there, or more than one; the message lists what there is.</exception>
    public BlockInfo Block(int? layer = null)
    {
        if (Blocks.Count == 0)
            throw new ArgumentException($"{Folder} has no block of family {Family.Name}: no tensor is called as its routers are ({string.Join(", ", BlockFinder.RouterNames(Family))}).", nameof(layer));
        if (layer is null)
            return Blocks[0];
        var found = Blocks.Where(block => block.Layer == layer).ToArray();
        return found.Length switch
        {
            1 => found[0],
            0 => throw new ArgumentException($"Layer {layer} of {Folder} has no block; there are blocks in layers {string.Join(", ", Blocks.Select(block => block.Layer))}.", nameof(layer)),
            _ => throw new ArgumentException($"Layer {layer} of {Folder} has {found.Length} blocks: {string.Join(", ", found.Select(block => block.Beginning))} Take one of {nameof(Blocks)}.", nameof(layer)),
        };
    }

    /// <summary>Loads a block.</summary>
    /// <param name="layer">The layer's number; null for the first block.</param>
    /// <param name="options">Type and device; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    /// <returns>The layer, ready for evaluation (<c>train()</c> makes it ready for training); the caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no block there.</exception>
    /// <exception cref="InvalidDataException">Its tensors are not what they should be; all that is wrong is listed.</exception>
    public PublishedBlock LoadBlock(int? layer = null, BlockLoadOptions? options = null, CancellationToken cancellationToken = default) =>
        Load(Block(layer), options, cancellationToken);

    /// <summary>Loads a block.</summary>
    /// <inheritdoc cref="LoadBlock(int?, BlockLoadOptions?, CancellationToken)"/>
    /// <param name="block">One of <see cref="Blocks"/>.</param>
    /// <param name="options">Type and device; null for the defaults.</param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    public PublishedBlock Load(BlockInfo block, BlockLoadOptions? options = null, CancellationToken cancellationToken = default)
    {
        RequireOwn(block);
        options ??= new BlockLoadOptions();
        options.Validate(nameof(options));
        var tensors = Checked(block);
        var types = tensors.GroupBy(tensor => tensor.Pieces[0].Parameter).ToDictionary(group => group.Key, group => BlockReader.StoredType(_tensors, group.First()));
        var layer = BlockBuilder.Load(_plan, _tensors, block.Layout, tensors, types, options, cancellationToken);
        return new PublishedBlock(Family, _plan, block, layer, types, options.Compression);
    }

    /// <summary>The sizes of a block, from settings and headers alone.</summary>
    /// <param name="block">One of <see cref="Blocks"/>.</param>
    /// <exception cref="ArgumentException">It is none of them.</exception>
    /// <exception cref="InvalidDataException">Its tensors are not what they should be; all that is wrong is listed.</exception>
    public BlockFacts Describe(BlockInfo block)
    {
        RequireOwn(block);
        return BlockFacts.Of(_plan, Checked(block), _tensors);
    }

    /// <summary>Writes the checkpoint with its blocks in another layout. Numbers keep their bytes, and all other tensors and files are copied.</summary>
    /// <param name="layout">Which; blocks that have it already are copied.</param>
    /// <param name="folder">Where; must not be there yet, or be empty. It comes into being as a whole.</param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    /// <remarks>
    /// 8-bit floats keep their bytes too, and their scales go with them; gate above up in one tensor, this needs rows in multiples of 128, as a square with one scale must not span both.
    /// MXFP4 has no place in another layout.
    /// </remarks>
    /// <exception cref="NotSupportedException">Weights are quantised in a way that does not fit the layout: <see cref="Decode"/> writes them as numbers.</exception>
    /// <exception cref="InvalidDataException">A block's tensors are not what they should be.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public void Convert(BlockLayout layout, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _ = Block();
        using var conversion = new CheckpointConversion(this, layout, decode: false);
        AtomicFolder.Write(folder, temporary => conversion.Write(temporary, cancellationToken));
    }

    /// <summary>
    /// Writes the checkpoint as one in BFloat16, which can be trained and saved: MXFP4 and all 8-bit floats, those outside the blocks too, become the numbers that they stand for, and their
    /// scales and the settings' <c>quantization_config</c> go. All other tensors, fields and files are copied. Where nothing is quantised this is <see cref="Convert"/>.
    /// </summary>
    /// <remarks>Loaded, a block of it has the very numbers of the quantised one in BFloat16. No more is held in memory than one expert's matrices.</remarks>
    /// <param name="folder">Where; must not be there yet, or be empty. It comes into being as a whole.</param>
    /// <param name="layout">That of all blocks; null for the one that a block has, or the fused one if that is quantised.</param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    /// <exception cref="NotSupportedException">The settings name another way of quantisation than FP8 or MXFP4, or the layout is quantised.</exception>
    /// <exception cref="InvalidDataException">8-bit floats lack the scales of their squares, or a block's tensors are not what they should be.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public void Decode(string folder, BlockLayout? layout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _ = Block();
        QuantisationSettings.RequireKnownMethod(Config);
        using var conversion = new CheckpointConversion(this, layout, decode: true);
        AtomicFolder.Write(folder, temporary => conversion.Write(temporary, cancellationToken));
    }

    /// <summary>Writes the checkpoint with blocks as they are now, such as after training or surgery, in the layout and the types that it has. All other tensors and files are copied.</summary>
    /// <remarks>
    /// The settings say one number of experts and one K for all blocks. Where layers have others (<see cref="PublishedBlock.With"/>), all blocks must be given and agree; the result has these numbers in its settings, and is else as it was.
    /// <see cref="SaveEach"/> does the same with one block in memory at a time.
    /// </remarks>
    /// <param name="folder">Where; must not be there yet, or be empty. It comes into being as a whole.</param>
    /// <param name="blocks">Blocks that were loaded from this checkpoint or from one with the same blocks, such as a copy of it, or made of such; each once. They stay as they are.</param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    /// <exception cref="ArgumentException">A block is none that this checkpoint has, has weights of other shapes, or is there twice; or the settings have no place for the numbers of experts and choices.</exception>
    /// <exception cref="NotSupportedException">A block is quantised in the checkpoint, or its weights are kept compressed.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public void Save(string folder, IReadOnlyList<PublishedBlock> blocks, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(blocks);
        BlockUpdate[] updates = [.. blocks.Select(block => BlockUpdate.Of(this, block, nameof(blocks)))];
        if (updates.GroupBy(update => update.Info).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new ArgumentException($"The block {twice.Key.Beginning} is there twice.", nameof(blocks));
        using var weights = new BlockWeights(updates);
        var update = new CheckpointUpdate(this, SavedNumbers.Of(this, updates), updates.Select(update => (update.Info, update.Tensors)), weights.Read);
        AtomicFolder.Write(folder, temporary => update.Write(temporary, cancellationToken));
    }

    /// <summary>Writes the checkpoint with every block made anew, one after the other: <see cref="Save"/> for models that are larger than memory.</summary>
    /// <remarks>Until all blocks are made, what they have become lies beside the result, so that the disk must have room for it twice.</remarks>
    /// <param name="folder">Where; must not be there yet, or be empty. It comes into being as a whole.</param>
    /// <param name="make">
    /// Gives the block to write for one of <see cref="Blocks"/>, each of which is asked for once and in order: one that <see cref="Save"/> takes. It is disposed when it has been written.
    /// </param>
    /// <param name="cancellationToken">Ends it; nothing is left behind.</param>
    /// <exception cref="ArgumentException">A block is not the one that was asked for; they do not agree about the numbers of experts and choices, or the settings have no place for them.</exception>
    /// <exception cref="NotSupportedException">A block is quantised in the checkpoint, or its weights are kept compressed.</exception>
    /// <exception cref="IOException">The folder is not empty, or cannot be written.</exception>
    public void SaveEach(string folder, Func<BlockInfo, PublishedBlock> make, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(make);
        _ = Block();
        AtomicFolder.Write(folder, temporary =>
        {
            using var made = new SpooledBlocks(Path.Combine(temporary, "blocks.tmp"));
            SavedNumbers? numbers = null;
            foreach (var info in Blocks)
            {
                cancellationToken.ThrowIfCancellationRequested();
                using var block = make(info) ?? throw new ArgumentException($"{info.Beginning} was asked for, and null was given.", nameof(make));
                var update = BlockUpdate.Of(this, block, nameof(make));
                if (block.Info != info)
                    throw new ArgumentException($"{info.Beginning} was asked for, and {block.Info.Beginning} was given.", nameof(make));
                (numbers ??= SavedNumbers.For(this, update)).Require(update, nameof(make));
                made.Add(update);
            }
            new CheckpointUpdate(this, numbers!, made.Blocks, made.Read).Write(temporary, cancellationToken);
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _tensors.Dispose();

    /// <summary>The tensors of a block, known to be there as they should.</summary>
    internal IReadOnlyList<PublishedTensor> Checked(BlockInfo block)
    {
        var tensors = _plan.Tensors(block.Beginning, block.Layout);
        BlockReader.Check(_tensors, tensors, Scopes(block.Beginning), $"The block {block.Beginning} of {Folder} ({Family.Name}, {block.Layout})");
        if (tensors.Any(tensor => tensor.IsFloat8(_tensors)))
            QuantisationSettings.RequireSquares(Config);
        return tensors;
    }

    /// <summary>What the names of everything inside a block begin with, whatever its layout.</summary>
    private string[] Scopes(string beginning) =>
        [.. Family.Layouts.SelectMany(layout => Family.Places(layout)!).Select(place => beginning + place.Name[..(place.Name.IndexOf('.', StringComparison.Ordinal) + 1)]).Distinct()];

    private void RequireOwn(BlockInfo block)
    {
        ArgumentNullException.ThrowIfNull(block);
        if (!Blocks.Contains(block))
            throw new ArgumentException($"{Folder} has no block {block.Beginning} ({block.Layout}) of layer {block.Layer}; take one of {nameof(Blocks)}.", nameof(block));
    }

    /// <summary>A file that may not be looked at is not taken for one that is not there.</summary>
    private static ModelConfig ReadConfig(string folder)
    {
        try
        {
            return ModelConfig.Read(Path.Combine(folder, ConfigFile));
        }
        catch (FileNotFoundException exception)
        {
            throw new InvalidDataException($"{folder} has no {ConfigFile}, which says what kind of model it is.", exception);
        }
    }

}
