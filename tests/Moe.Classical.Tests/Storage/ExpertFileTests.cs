using System.Text;
using Moe.Core;
using static TorchSharp.torch;

namespace Moe.Classical.Tests;

public sealed class ExpertFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("moe-expert").FullName;

    static ExpertFileTests()
    {
        StoredExperts.Register("test-fixed", Fixed.Read);
        NetworkFactories.Register("test-linear", Linear);
    }

    private string File => Path.Combine(_folder, "expert.moe");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Nested_ensembles_come_back_as_they_were()
    {
        using var scope = NewDisposeScope();
        var data = Rows.Linear(40, 1);
        var network = new NetworkLearner(Linear, new() { Epochs = 2, FactoryName = "test-linear" });
        var learner = new StackingLearner([new BaggingLearner(new LinearLearner(), new() { Members = 3 }), new AveragingLearner([network, new LinearLearner()])]);
        var expert = (IStoredExpert)learner.Fit(data, FitContext.Default);

        ExpertFile.Save(File, expert);
        var read = ExpertFile.Load(File);

        read.Should().BeOfType<Stacking>();
        read.forward(data.Inputs).data<double>().ToArray().Should().Equal(expert.forward(data.Inputs).data<double>().ToArray());
        ((IOutOfSample)((Stacking)read).Members[0]).OutOfSample().data<double>().ToArray()
            .Should().Equal(((IOutOfSample)((Stacking)expert).Members[0]).OutOfSample().data<double>().ToArray());
    }

    [Fact]
    public void Voting_comes_back_with_its_rule()
    {
        ExpertFile.Save(File, new Voting([new Fixed(2, 0.4, 0.6)], VotingRule.Soft));
        ((Voting)ExpertFile.Load(File)).Rule.Should().Be(VotingRule.Soft);
    }

    [Fact]
    public void Every_cut_and_every_changed_byte_is_noticed_and_the_file_named()
    {
        using var scope = NewDisposeScope();
        ExpertFile.Save(File, (IStoredExpert)new BaggingLearner(new LinearLearner(), new() { Members = 1 }).Fit(Rows.Linear(5, 1), FitContext.Default));
        var bytes = System.IO.File.ReadAllBytes(File);
        for (var place = 0; place < bytes.Length; place += 7)
        {
            var changed = bytes.ToArray();
            changed[place] ^= 0x41;
            Refuses(changed);
            Refuses(bytes[..place]);
        }
        Refuses([.. bytes, 0]);
        Refuses(Encoding.UTF8.GetBytes("{\"an\": \"ordinary text file, long enough\"}"));
    }

    [Fact]
    public void Unknown_kinds_and_experts_that_cannot_be_stored_are_told()
    {
        ExpertFile.Save(File, new Stranger());
        FluentActions.Invoking(() => ExpertFile.Load(File)).Should().Throw<InvalidDataException>().WithMessage($"{File}*\"stranger\"*StoredExperts.Register*");
        var rule = new Averaging([new DelegateExpert(1, 1, rows => rows.clone())]);
        FluentActions.Invoking(() => ExpertFile.Save(File, rule)).Should().Throw<NotSupportedException>().WithMessage("*DelegateExpert*");
        FluentActions.Invoking(() => ExpertFile.Load(File + "x")).Should().Throw<FileNotFoundException>();
    }

    [Fact]
    public void Names_with_slashes_do_not_meet_each_other()
    {
        using var scope = NewDisposeScope();
        StoredExperts.Register("test-slash", ReadSlash);
        ExpertFile.Save(File, new Slash());
        ExpertFile.Load(File).OutputWidth.Should().Be(2);
    }

    private static nn.Module<Tensor, Tensor> Linear(long d, long dout) => nn.Linear(d, dout);

    private static Fixed ReadSlash(ExpertState state)
    {
        using var first = state.GetTensor("a/b", 1);
        using var second = state.Child("a").GetTensor("b", 1);
        return new Fixed(1, first.item<double>(), second.item<double>());
    }

    private void Refuses(byte[] bytes)
    {
        System.IO.File.WriteAllBytes(File, bytes);
        FluentActions.Invoking(() => ExpertFile.Load(File)).Should().Throw<InvalidDataException>().WithMessage($"*{File}*");
    }

    private sealed class Stranger : ClassicalExpert, IStoredExpert
    {
        public Stranger()
            : base(1, 1)
        {
        }

        public ExpertState ToState() => new("stranger");

        protected override Tensor Predict(Tensor rows) => rows.clone();
    }

    private sealed class Slash : ClassicalExpert, IStoredExpert
    {
        public Slash()
            : base(1, 2)
        {
        }

        public ExpertState ToState()
        {
            using var one = tensor(new[] { 1.0 });
            return new ExpertState("test-slash").Add("a/b", one).Add("a", new ExpertState("part").Add("b", one));
        }

        protected override Tensor Predict(Tensor rows) => rows.repeat(1, 2);
    }
}
