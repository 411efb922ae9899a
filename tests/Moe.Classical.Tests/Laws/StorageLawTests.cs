using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class StorageLawTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"moe-laws-{Guid.NewGuid():N}");

    public static TheoryData<string> Cases() => Lawful.Theory();

    public void Dispose() => File.Delete(_file);

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_file_gives_the_same_expert_back_to_the_last_bit(string name)
    {
        using var scope = NewDisposeScope();
        var data = Lawful.Data(Lawful.Case(name).Kind);
        var expert = Fit(name);
        var said = Lawful.Says(expert, data);
        ExpertFile.Save(_file, expert);
        var read = ExpertFile.Load(_file);
        read.Should().BeOfType(expert.GetType());
        Lawful.Says(read, data).Should().Equal(said);
        ExpertFile.Save(_file, (IStoredExpert)read);
        Lawful.Says(ExpertFile.Load(_file), data).Should().Equal(said);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Neither_the_state_nor_the_original_shares_a_tensor_with_the_copy(string name)
    {
        using var scope = NewDisposeScope();
        var data = Lawful.Data(Lawful.Case(name).Kind);
        var expert = Fit(name);
        var said = Lawful.Says(expert, data);
        using var state = expert.ToState();
        var read = StoredExperts.Read(state);
        Zero(state);
        Lawful.Says(expert, data).Should().Equal(said);
        state.Dispose();
        Lawful.Says(read, data).Should().Equal(said);
        if (expert is NetworkExpert network)
            network.Module.Dispose();
        Lawful.Says(read, data).Should().Equal(said);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_state_without_one_of_its_entries_is_refused(string name)
    {
        using var scope = NewDisposeScope();
        using var state = Fit(name).ToState();
        var places = Places(state, "").ToArray();
        places.Should().NotBeEmpty();
        var faults = new List<string>();
        foreach (var place in places)
        {
            using var partial = Without(state, "", place);
            try
            {
                StoredExperts.Read(partial);
                faults.Add($"{place}: nothing");
            }
            catch (ArgumentException)
            {
            }
#pragma warning disable CA1031 // Whatever else is thrown is what the test looks for.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                faults.Add($"{place}: {exception.GetType().Name} {exception.Message}");
            }
        }
        string.Join(Environment.NewLine, faults).Should().BeEmpty();
    }

    private static IStoredExpert Fit(string name)
    {
        var (learner, kind) = Lawful.Case(name);
        return (IStoredExpert)learner.Fit(Lawful.Data(kind), FitContext.Default);
    }

    private static void Zero(ExpertState state)
    {
        foreach (var tensor in state.Tensors.Values)
            tensor.zero_();
        foreach (var child in state.Children.Values)
            Zero(child);
    }

    private static IEnumerable<string> Places(ExpertState state, string path) =>
        state.Settings.Select(setting => setting.Key).Concat(state.Tensors.Keys).Concat(state.Children.Keys).Select(name => path + name)
            .Concat(state.Children.SelectMany(child => Places(child.Value, $"{path}{child.Key}/")));

    private static ExpertState Without(ExpertState state, string path, string place)
    {
        var settings = (JsonObject)state.Settings.DeepClone();
        foreach (var name in state.Settings.Select(setting => setting.Key).Where(name => path + name == place))
            settings.Remove(name);
        var partial = new ExpertState(state.Kind, settings);
        foreach (var (name, tensor) in state.Tensors.Where(pair => path + pair.Key != place))
            partial.Add(name, tensor);
        foreach (var (name, child) in state.Children.Where(pair => path + pair.Key != place))
            partial.Add(name, Without(child, $"{path}{name}/", place));
        return partial;
    }
}
