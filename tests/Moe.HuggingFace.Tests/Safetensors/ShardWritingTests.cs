namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class ShardWritingTests : IDisposable
{
    private static readonly TensorDescription[] Tensors =
    [
        new("d", ElementType.Float32, [2]), new("large", ElementType.UInt8, [100]), new("a", ElementType.UInt8, [4]), new("é", ElementType.Float32, [2]), new("b", ElementType.Int64, [2]),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shards_are_filled_in_order_and_named_and_listed_as_the_reference_tools_do()
    {
        SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, 20, new Dictionary<string, string> { ["format"] = "pt" });
        _folder.Names().Should().Equal("model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors", "model.safetensors.index.json");
        File.ReadAllText(_folder.File("model.safetensors.index.json")).Should().Be("""
            {
              "metadata": {
                "total_size": 136
              },
              "weight_map": {
                "a": "model-00002-of-00003.safetensors",
                "b": "model-00003-of-00003.safetensors",
                "d": "model-00002-of-00003.safetensors",
                "large": "model-00001-of-00003.safetensors",
                "\u00e9": "model-00002-of-00003.safetensors"
              }
            }

            """.ReplaceLineEndings("\n"));
        using var store = SafetensorsFolder.Open(_folder.FullName);
        store.Metadata.Should().Equal(new Dictionary<string, string> { ["format"] = "pt" });
        CheckAll(store);
    }

    [Fact]
    public void What_fits_into_one_file_is_one_without_an_index()
    {
        SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, 136);
        _folder.Names().Should().Equal("model.safetensors");
        using var store = SafetensorsFolder.Open(_folder.FullName);
        CheckAll(store);
    }

    [Fact]
    public void No_tensors_at_all_are_one_file()
    {
        SafetensorsWriter.WriteShards(_folder.FullName, [], Bytes, 1);
        _folder.Names().Should().Equal("model.safetensors");
    }

    [Fact]
    public void A_model_that_was_there_is_replaced_as_a_whole_and_other_files_stay()
    {
        File.WriteAllText(_folder.File("config.json"), "{}");
        File.WriteAllText(_folder.File("consolidated.safetensors"), "not ours");
        foreach (var limit in new long[] { 20, 1000, 8, 1000, 136, 20 })
        {
            SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, limit);
            using var store = SafetensorsFolder.Open(_folder.FullName);
            CheckAll(store);
            _folder.Names().Except(["config.json", "consolidated.safetensors", "model.safetensors.index.json"]).Should().Equal(store.Files);
        }
        _folder.Names().Should().Contain(["config.json", "consolidated.safetensors"]);
    }

    [Fact]
    public void A_model_can_be_split_anew_in_its_own_folder()
    {
        SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, 20);
        using (var store = SafetensorsFolder.Open(_folder.FullName))
            SafetensorsWriter.WriteShards(_folder.FullName, store.Entries.Values.Select(TensorDescription.Of), store.Read, 1000);
        using var again = SafetensorsFolder.Open(_folder.FullName);
        again.Files.Should().Equal("model.safetensors");
        CheckAll(again);
    }

    [Fact]
    public void Nothing_is_left_where_reading_fails_midway_and_the_old_model_stays()
    {
        TensorReader failing = (name, _, destination) => destination.Fill(name == "b" ? throw new InvalidOperationException("midway") : (byte)1);
        var fresh = _folder.File("fresh");
        FluentActions.Invoking(() => SafetensorsWriter.WriteShards(fresh, Tensors, failing, 20)).Should().Throw<InvalidOperationException>().WithMessage("midway");
        Directory.Exists(fresh).Should().BeFalse();

        SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, 20);
        var names = _folder.Names();
        FluentActions.Invoking(() => SafetensorsWriter.WriteShards(_folder.FullName, Tensors, failing, 50)).Should().Throw<InvalidOperationException>();
        _folder.Names().Should().Equal(names);
        using var store = SafetensorsFolder.Open(_folder.FullName);
        CheckAll(store);
    }

    [Fact]
    public void The_same_name_in_two_shards_is_refused()
    {
        FluentActions.Invoking(() => SafetensorsWriter.WriteShards(_folder.FullName, [Tensors[0], Tensors[1], Tensors[0]], Bytes, 8)).Should().Throw<ArgumentException>().WithMessage("*two tensors \"d\"*");
        FluentActions.Invoking(() => SafetensorsWriter.WriteShards(_folder.FullName, Tensors, Bytes, 0)).Should().Throw<ArgumentOutOfRangeException>();
        _folder.Names().Should().BeEmpty();
    }

    private static void Bytes(string name, long firstByte, Span<byte> destination)
    {
        for (var place = 0; place < destination.Length; place++)
            destination[place] = (byte)(name[0] + firstByte + place);
    }

    private static void CheckAll(SafetensorsFolder store)
    {
        store.Entries.Keys.Should().BeEquivalentTo(Tensors.Select(tensor => tensor.Name));
        foreach (var tensor in Tensors)
        {
            var expected = new byte[store.Entries[tensor.Name].ByteCount];
            Bytes(tensor.Name, 0, expected);
            var read = new byte[expected.Length];
            store.Read(tensor.Name, 0, read);
            read.Should().Equal(expected);
            store.Entries[tensor.Name].Shape.Should().Equal(tensor.Shape);
        }
    }
}
