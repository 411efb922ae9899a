using System.Text;

namespace Moe.HuggingFace.Tests.Safetensors;

public sealed class SafetensorsFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Shards_are_read_as_one_and_each_tensor_knows_its_file()
    {
        Shards("""{"metadata":{"total_size":12,"other":[1,{}]},"weight_map":{"a":"x.safetensors","b":"y.safetensors","c":"y.safetensors"}}""");
        using var store = SafetensorsFolder.Open(_folder.FullName);
        store.Files.Should().Equal("x.safetensors", "y.safetensors");
        store.Entries.Keys.Should().Equal("a", "b", "c");
        store.FileOf("c").Should().Be("y.safetensors");
        store.Metadata.Should().Equal(new Dictionary<string, string> { ["in"] = "x" });
        var bytes = new byte[2];
        store.Read("c", 1, bytes);
        bytes.Should().Equal(6, 7);
        using var tensor = store.ReadTensor("b");
        tensor.bytes.ToArray().Should().Equal(1, 2, 3, 4);
        using var map = store.Map("a");
        map.Bytes.ToArray().Should().Equal(1, 2, 3, 4);
        using var mapped = store.MapTensor("c");
        mapped.bytes.ToArray().Should().Equal(5, 6, 7, 8);
        store.Invoking(it => it.Read("d", 0, [])).Should().Throw<KeyNotFoundException>().WithMessage($"{_folder.FullName} has no tensor \"d\".");
    }

    [Theory]
    [InlineData("""{"a":"x.safetensors","b":"y.safetensors"}""", "*y.safetensors has the tensor \"c\", which * does not list*")]
    [InlineData("""{"a":"x.safetensors","b":"x.safetensors","c":"y.safetensors"}""", "*\"b\" is in x.safetensors, but it is in y.safetensors*")]
    [InlineData("""{"a":"x.safetensors","b":"y.safetensors","c":"y.safetensors","d":"y.safetensors"}""", "*\"d\" is in y.safetensors, but it is in none of the files*")]
    [InlineData("""{"a":"x.safetensors","a":"x.safetensors"}""", "*\"a\" twice*")]
    [InlineData("""{"a":"../x.safetensors"}""", "*\"../x.safetensors\" for \"a\"; it must be a plain file name*")]
    [InlineData("""{"a":"/x.safetensors"}""", "*plain file name*")]
    [InlineData("""{"a":"..\\x.safetensors"}""", "*plain file name*")]
    [InlineData("""{"a":"c:x.safetensors"}""", "*plain file name*")]
    [InlineData("""{"a":"x.safetensors\u0000"}""", "*plain file name*")]
    [InlineData("""{"a":""}""", "*plain file name*")]
    [InlineData("""{"a":".."}""", "*plain file name*")]
    [InlineData("""{"a":5}""", "*must name a file for \"a\"*")]
    [InlineData("""{"a":"\ud800"}""", "*half a surrogate pair*")]
    [InlineData("""["a"]""", "*must have an object as its weight_map*")]
    [InlineData("""{"a":"x.safetensors","b":"y.safetensors","c":"y.safetensors"},"weight_map":{}""", "*weight_map twice*")]
    [InlineData("""{"a":"x.safetensors"}}""", "*not valid JSON*")]
    public void An_index_that_does_not_fit_is_refused(string weightMap, string message)
    {
        Shards($$"""{"weight_map":{{weightMap}}}""");
        Refused(message);
    }

    [Theory]
    [InlineData("", "*not valid JSON*")]
    [InlineData("[]", "*must be an object*")]
    [InlineData("{}", "*has no weight_map*")]
    public void An_index_that_is_none_is_refused(string index, string message)
    {
        Shards(index);
        Refused(message);
    }

    [Fact]
    public void An_index_that_is_no_UTF8_is_refused()
    {
        Shards("{}");
        File.WriteAllBytes(_folder.File("model.safetensors.index.json"), [.. "{\""u8, 0xFF, .. "\":1}"u8]);
        Refused("*not valid UTF-8*");
    }

    [Fact]
    public void A_tensor_in_two_shards_is_refused()
    {
        Shards("""{"weight_map":{"a":"x.safetensors","b":"y.safetensors","c":"z.safetensors"}}""");
        File.Copy(_folder.File("y.safetensors"), _folder.File("z.safetensors"));
        Refused("*\"b\" is in y.safetensors and in z.safetensors*");
    }

    [Fact]
    public void All_headers_are_checked_at_once_and_missing_shards_are_named()
    {
        Shards("""{"weight_map":{"a":"x.safetensors","b":"y.safetensors","c":"y.safetensors"}}""");
        File.WriteAllBytes(_folder.File("y.safetensors"), new byte[30]);
        Refused("*y.safetensors says that its header has 0 bytes*");
        File.Delete(_folder.File("y.safetensors"));
        FluentActions.Invoking(() => SafetensorsFolder.Open(_folder.FullName)).Should().Throw<FileNotFoundException>().WithMessage("*y.safetensors*");
    }

    [Fact]
    public void Without_an_index_it_is_the_one_file_or_the_one_called_model()
    {
        FluentActions.Invoking(() => SafetensorsFolder.Open(_folder.File("none"))).Should().Throw<DirectoryNotFoundException>();
        FluentActions.Invoking(() => SafetensorsFolder.Open(_folder.FullName)).Should().Throw<FileNotFoundException>().WithMessage("*has no safetensors file*");

        One("x.safetensors", "a");
        File.WriteAllText(_folder.File("x.safetensors.txt"), "");
        using (var store = SafetensorsFolder.Open(_folder.FullName))
            store.Files.Should().Equal("x.safetensors");

        One("y.safetensors", "b");
        FluentActions.Invoking(() => SafetensorsFolder.Open(_folder.FullName)).Should().Throw<IOException>().WithMessage("*several safetensors files*x.safetensors, y.safetensors*");

        One("model.safetensors", "c");
        using (var store = SafetensorsFolder.Open(_folder.FullName))
            store.Entries.Keys.Should().Equal("c");
    }

    [Fact]
    public void A_file_replaced_by_another_one_is_noticed()
    {
        One("model.safetensors", "a");
        using var store = SafetensorsFolder.Open(_folder.FullName);
        One("model.safetensors", "b");
        store.Invoking(it => it.ReadTensor("a")).Should().Throw<IOException>().WithMessage("*has become another file*");
    }

    [Fact]
    public void A_closed_folder_says_so()
    {
        One("model.safetensors", "a");
        var store = SafetensorsFolder.Open(_folder.FullName);
        store.Read("a", 0, new byte[1]);
        store.Dispose();
        store.Dispose();
        store.Invoking(it => it.Read("a", 0, new byte[1])).Should().Throw<ObjectDisposedException>();
    }

    [Fact]
    public void An_index_of_nothing_is_an_empty_folder()
    {
        File.WriteAllText(_folder.File("model.safetensors.index.json"), """{"weight_map":{}}""");
        using var store = SafetensorsFolder.Open(_folder.FullName);
        store.Entries.Should().BeEmpty();
        store.Metadata.Should().BeNull();
    }

    private void One(string file, string tensor) =>
        File.WriteAllBytes(_folder.File(file), SmallFile.Of($$$"""{"{{{tensor}}}":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4));

    private void Shards(string index)
    {
        File.WriteAllBytes(_folder.File("x.safetensors"), SmallFile.Of("""{"__metadata__":{"in":"x"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4));
        File.WriteAllBytes(_folder.File("y.safetensors"), SmallFile.Of("""{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"c":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", 8));
        File.WriteAllText(_folder.File("model.safetensors.index.json"), index, new UTF8Encoding(false));
    }

    private void Refused(string message) =>
        FluentActions.Invoking(() => SafetensorsFolder.Open(_folder.FullName)).Should().Throw<InvalidDataException>().WithMessage(message).WithMessage($"{_folder.FullName}*");
}
